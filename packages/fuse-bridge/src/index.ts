/**
 * mount/fuse: the kernel’s requests to fops.
 *
 * @packageDocumentation
 */
export {};
