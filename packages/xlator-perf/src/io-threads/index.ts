import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { IoThreads } from './io-threads.js';

/** spec/client.md, §20. */
const options: readonly OptionSpec[] = [
  { key: 'thread-count', type: 'int', default: '16', min: 1, max: 64, flags: ['settable', 'doc'], description: 'requests that wait for the disk at once' },
  { key: 'high-prio-threads', type: 'int', default: '16', min: 1, max: 64, flags: ['settable', 'doc'] },
  { key: 'normal-prio-threads', type: 'int', default: '16', min: 1, max: 64, flags: ['settable', 'doc'] },
  { key: 'low-prio-threads', type: 'int', default: '16', min: 1, max: 64, flags: ['settable', 'doc'], description: 'of them reads, writes and syncs' },
  { key: 'least-prio-threads', type: 'int', default: '1', min: 1, max: 64, flags: ['settable', 'doc'], description: 'of them those of internal clients: heal, rebalance' },
  { key: 'enable-least-priority', type: 'bool', default: 'on', flags: ['settable', 'doc'] },
  { key: 'idle-time', type: 'int', default: '120', min: 1, max: 0x7fffffff },
  { key: 'watchdog-secs', type: 'int', default: '0', flags: ['settable'] },
  { key: 'cleanup-disconnected-reqs', type: 'bool', default: 'off', flags: ['settable'], description: 'what a client that went had waiting is dropped' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: ['settable'] },
];

export const ioThreads: XlatorDefinition = { type: 'performance/io-threads', options, create: (context) => new IoThreads(context) };
