/**
 * The feature xlators of a brick that are switched off by default.
 *
 * @packageDocumentation
 */
export {};
