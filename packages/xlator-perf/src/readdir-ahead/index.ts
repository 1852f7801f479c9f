import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { ReaddirAhead } from './readdir-ahead.js';

const settable = ['settable', 'client', 'doc'] as const;

/** spec/client.md, §20. */
const options: readonly OptionSpec[] = [
  { key: 'rda-request-size', type: 'size', default: '131072', min: 4096, max: 131072, flags: settable, description: 'bytes of listing in one readdirp to the child' },
  { key: 'rda-low-wmark', type: 'size', default: '4096', min: 0, max: 10 * 1048576, flags: settable, description: 'with fewer bytes ahead more is fetched' },
  { key: 'rda-high-wmark', type: 'size', default: '128KB', min: 0, max: 100 * 1048576, flags: settable, description: 'with so many bytes ahead no more is fetched' },
  { key: 'rda-cache-limit', type: 'size', default: '10MB', min: 0, flags: settable, description: 'bytes ahead of all open directories together' },
  { key: 'parallel-readdir', type: 'bool', default: 'off', flags: settable, description: 'stands above each child of distribute' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: settable, description: 'do nothing' },
];

export const readdirAhead: XlatorDefinition = { type: 'performance/readdir-ahead', options, create: (context) => new ReaddirAhead(context) };
