/**
 * npm start: a whole volume on this machine.
 *
 * @packageDocumentation
 */
export {};
