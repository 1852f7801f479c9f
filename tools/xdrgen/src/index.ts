/**
 * .x files in, TypeScript codecs out.
 *
 * @packageDocumentation
 */
export {};
