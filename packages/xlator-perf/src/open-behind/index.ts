import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { OpenBehind } from './open-behind.js';

/** spec/client.md, §20. */
const options: readonly OptionSpec[] = [
  { key: 'lazy-open', type: 'bool', default: 'yes', flags: ['settable', 'client'], description: 'the brick is asked to open only when a fop needs it; off: right after open was answered' },
  { key: 'read-after-open', type: 'bool', default: 'yes', flags: ['settable', 'client'], description: 'a read opens the file first' },
  { key: 'use-anonymous-fd', type: 'bool', default: 'no', description: 'what only reads goes through an anonymous fd while the file is not open' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: ['settable', 'client', 'doc'], description: 'opens go straight down' },
];

export const openBehind: XlatorDefinition = { type: 'performance/open-behind', options, create: (context) => new OpenBehind(context) };
