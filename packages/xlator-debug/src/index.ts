/**
 * debug/io-stats: counters and latencies of the fops that pass.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { IoStats, options } from './io-stats.js';

export const xlators: XlatorDefinition[] = [{ type: 'debug/io-stats', options, create: (context) => new IoStats(context) }];
