/**
 * debug/io-stats: counters and latencies.
 *
 * @packageDocumentation
 */
export {};
