/**
 * gluster: the command line.
 *
 * @packageDocumentation
 */
export {};
