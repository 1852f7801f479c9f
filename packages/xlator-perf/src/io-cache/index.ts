import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { IoCache } from './io-cache.js';

export { IoCache } from './io-cache.js';

const settable = ['settable', 'client', 'doc'] as const;

/** spec/client.md, §20. */
const options: readonly OptionSpec[] = [
  { key: 'priority', type: 'priority-list', default: '', flags: settable, description: 'pattern:weight,…: files whose path matches stay longer; of weight 0 they are not kept' },
  { key: 'cache-timeout', type: 'int', default: '1', min: 0, max: 60, flags: settable, description: 'seconds for which pages are served without asking whether the file has changed' },
  { key: 'cache-size', type: 'size', default: '32MB', min: 4 * 1048576, flags: settable, description: 'bytes of all pages kept' },
  { key: 'min-file-size', type: 'size', default: '0', flags: settable, description: 'smaller files are not kept' },
  { key: 'max-file-size', type: 'size', default: '0', flags: settable, description: 'larger files are not kept; 0: no limit' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: settable, description: 'do nothing' },
];

export const ioCache: XlatorDefinition = { type: 'performance/io-cache', options, create: (context) => new IoCache(context) };
