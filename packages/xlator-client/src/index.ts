/**
 * protocol/client: a brick at the other end of a connection.
 *
 * @packageDocumentation
 */
export {};
