/**
 * features/utime: the times of a file, decided by the client.
 *
 * @packageDocumentation
 */
export {};
