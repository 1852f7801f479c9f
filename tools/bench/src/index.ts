/**
 * Side by side with GlusterFS.
 *
 * @packageDocumentation
 */
export {};
