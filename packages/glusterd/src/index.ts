/**
 * The management daemon: store, volgen, portmap, GETSPEC, brick processes, the CLI’s program.
 *
 * @packageDocumentation
 */
export {};
