/**
 * performance/nl-cache: what is kept and what drops it is spec/client.md, §9.8.
 *
 * @packageDocumentation
 */
import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { NlCache } from './nl-cache.js';

export { NlCache };

const settable = ['settable', 'client', 'doc'] as const;

/** spec/client.md, §20. */
const options: readonly OptionSpec[] = [
  { key: 'nl-cache-positive-entry', type: 'bool', default: 'false', flags: settable, description: 'keep the names in directories that this client has made' },
  { key: 'nl-cache-limit', type: 'size', default: '131072', min: 0, flags: settable, description: 'bytes that the names may take' },
  { key: 'nl-cache-timeout', type: 'time', default: '60', min: 0, flags: settable, description: 'seconds for which names are believed' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: settable, description: 'do nothing' },
];

/** What a volfile names `performance/nl-cache`. */
export const nlCache: XlatorDefinition = { type: 'performance/nl-cache', options, create: (context) => new NlCache(context) };
