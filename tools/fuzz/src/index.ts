/**
 * Long fuzz runs over the decoders.
 *
 * @packageDocumentation
 */
export {};
