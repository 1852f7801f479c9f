import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { ReadAhead } from './read-ahead.js';

export { ReadAhead } from './read-ahead.js';

const settable = ['settable', 'client', 'doc'] as const;

/** spec/client.md, §20. */
const options: readonly OptionSpec[] = [
  { key: 'force-atime-update', type: 'bool', default: 'false', flags: settable, description: 'what was read ahead still counts as read: a byte of it is read again' },
  { key: 'page-count', type: 'int', default: '4', min: 1, max: 16, flags: settable, description: 'pages that are read ahead of a sequential reader' },
  { key: 'page-size', type: 'size', default: '131072', min: 4096, max: 64 * 1048576, flags: settable, description: 'bytes of a page' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: settable, description: 'do nothing' },
];

export const readAhead: XlatorDefinition = { type: 'performance/read-ahead', options, create: (context) => new ReadAhead(context) };
