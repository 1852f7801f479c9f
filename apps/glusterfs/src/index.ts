/**
 * glusterfs: a mount.
 *
 * @packageDocumentation
 */
export {};
