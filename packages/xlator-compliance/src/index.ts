/**
 * The tests that every xlator and every graph must pass.
 *
 * @packageDocumentation
 */
export {};
