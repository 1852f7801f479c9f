/**
 * features/locks: posix locks, inodelk and entrylk.
 *
 * @packageDocumentation
 */
export {};
