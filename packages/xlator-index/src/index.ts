/**
 * features/index: which files may need healing.
 *
 * @packageDocumentation
 */
export {};
