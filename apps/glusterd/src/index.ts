/**
 * glusterd.
 *
 * @packageDocumentation
 */
export {};
