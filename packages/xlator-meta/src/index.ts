/**
 * meta: the .meta tree.
 *
 * @packageDocumentation
 */
export {};
