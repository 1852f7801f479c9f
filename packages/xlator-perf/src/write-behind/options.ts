import type { OptionSpec } from '@glusterts/libglusterfs';

const settable = ['settable', 'client', 'doc'] as const;

/** Options of write-behind (spec/client.md, §20). */
export const options: readonly OptionSpec[] = [
  { key: ['cache-size', 'window-size'], type: 'size', default: '1MB', min: 512 * 1024, max: 1024 ** 3, flags: settable, description: 'bytes of a file that may be answered and not yet written' },
  { key: 'aggregate-size', type: 'size', default: '128KB', flags: settable, description: 'small writes are sent together up to this size' },
  { key: 'flush-behind', type: 'bool', default: 'on', flags: settable, description: 'close does not wait for the bricks once the writes are done' },
  { key: 'trickling-writes', type: 'bool', default: 'on', flags: settable, description: 'with nothing under way a small write is sent at once' },
  { key: 'strict-O_DIRECT', type: 'bool', default: 'off', flags: settable, description: 'O_DIRECT writes are not delayed' },
  { key: 'strict-write-ordering', type: 'bool', default: 'off', flags: settable, description: 'no request passes a write before it, even elsewhere in the file' },
  { key: 'resync-failed-syncs-after-fsync', type: 'bool', default: 'off', flags: settable, description: 'a failed fsync keeps the data for another try' },
  { key: 'pass-through', type: 'bool', default: 'false', flags: settable, description: 'do nothing' },
];
