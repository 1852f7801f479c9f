/**
 * The performance xlators, one folder each: what they keep, for how long, and what drops it is spec/client.md, §9.
 *
 * @packageDocumentation
 */
import type { XlatorDefinition } from '@glusterts/libglusterfs';
import { ioCache } from './io-cache/index.js';
import { ioThreads } from './io-threads/index.js';
import { mdCache } from './md-cache/index.js';
import { nlCache } from './nl-cache/index.js';
import { openBehind } from './open-behind/index.js';
import { quickRead } from './quick-read/index.js';
import { readAhead } from './read-ahead/index.js';
import { readdirAhead } from './readdir-ahead/index.js';
import { writeBehind } from './write-behind/index.js';

export { MdCache } from './md-cache/index.js';
export { NlCache } from './nl-cache/index.js';
export { WriteBehind } from './write-behind/index.js';

/** What this package implements. */
export const xlators: readonly XlatorDefinition[] = [ioCache, ioThreads, mdCache, nlCache, openBehind, quickRead, readAhead, readdirAhead, writeBehind];
