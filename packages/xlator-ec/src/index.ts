/**
 * cluster/disperse: erasure-coded files.
 *
 * @packageDocumentation
 */
export {};
