/**
 * glusterfsd: a brick.
 *
 * @packageDocumentation
 */
export {};
