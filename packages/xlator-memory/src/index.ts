/**
 * storage/memory: a brick in memory, for tests and examples. To its clients it behaves as storage/posix with
 * features/locks: fops by name and by gfid, xattrs, xattrop, locks with domains, and the xdata keys that the cluster
 * xlators ask for. Nothing survives the process.
 *
 * ```
 * volume brick-0
 *     type storage/memory
 *     option size 1GB       # ENOSPC beyond; default: no limit
 *     option share a-name   # graphs of one process that name the same share see the same files
 * end-volume
 * ```
 *
 * @packageDocumentation
 */
import type { OptionSpec, XlatorDefinition } from '@glusterts/libglusterfs';
import { Memory } from './memory.js';

export { Memory };
export { Store } from './store.js';
export { MemoryNode } from './node.js';

const options: readonly OptionSpec[] = [
  { key: 'size', type: 'size', default: '0', description: 'bytes that all files may take; 0: no limit' },
  { key: 'share', type: 'str', description: 'graphs of the process that name the same share see the same files' },
];

/** What this package implements. */
export const xlators: readonly XlatorDefinition[] = [{ type: 'storage/memory', options, create: (context) => new Memory(context) }];
