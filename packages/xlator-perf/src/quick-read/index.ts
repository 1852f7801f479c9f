import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { QuickRead } from './quick-read.js';

/** spec/client.md, §20. */
const options: readonly OptionSpec[] = [
  { key: 'priority', type: 'any', description: 'pattern:weight,…: files whose path matches stay longer' },
  { key: 'cache-size', type: 'size', default: '128MB', flags: ['settable', 'client', 'doc'], description: 'bytes of all files kept' },
  { key: 'cache-timeout', type: 'int', default: '1', flags: ['settable', 'client', 'doc'], description: 'seconds for which content is served without asking' },
  { key: 'max-file-size', type: 'size', default: '64KB', min: 0, max: 1024000, flags: ['settable', 'client', 'doc'], description: 'larger files are not asked for' },
  { key: 'quick-read-cache-invalidation', type: 'bool', default: 'false', flags: ['settable', 'client', 'doc'], description: 'upcalls drop content' },
  { key: 'ctime-invalidation', type: 'bool', default: 'false', flags: ['settable', 'client', 'doc'], description: 'a changed ctime drops content, not only a changed mtime' },
];

export const quickRead: XlatorDefinition = { type: 'performance/quick-read', options, create: (context) => new QuickRead(context) };
