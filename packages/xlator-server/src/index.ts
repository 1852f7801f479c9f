/**
 * protocol/server: offers a graph to clients.
 *
 * @packageDocumentation
 */
export {};
