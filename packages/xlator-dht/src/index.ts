/**
 * cluster/distribute: one namespace over many subvolumes.
 *
 * @packageDocumentation
 */
export {};
