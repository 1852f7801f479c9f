/**
 * storage/memory: a brick in memory, for tests and examples.
 *
 * @packageDocumentation
 */
export {};
