/**
 * The words of gluster: grammar, requests, output.
 *
 * @packageDocumentation
 */
export {};
