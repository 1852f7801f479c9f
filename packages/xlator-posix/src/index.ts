/**
 * storage/posix: a brick on a local file system, in GlusterFS’s disk format.
 *
 * @packageDocumentation
 */
export {};
