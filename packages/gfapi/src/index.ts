/**
 * A Gluster volume from a Node program.
 *
 * @packageDocumentation
 */
export {};
