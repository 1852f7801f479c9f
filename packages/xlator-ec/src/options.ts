import type { OptionSpec } from '@glusterts/libglusterfs';

/** Options of cluster/disperse (spec/ec.md, §30). The healing ones are taken and have no effect until healing is built. */
export const options: readonly OptionSpec[] = [
  { key: 'redundancy', type: 'int' },
  { key: 'self-heal-daemon', type: 'bool', default: 'enable' },
  { key: 'iam-self-heal-daemon', type: 'bool', default: 'off' },
  { key: 'eager-lock', type: 'bool', default: 'on' },
  { key: 'other-eager-lock', type: 'bool', default: 'on' },
  { key: 'eager-lock-timeout', type: 'time', default: '1', min: 1, max: 60 },
  { key: 'other-eager-lock-timeout', type: 'time', default: '1', min: 1, max: 60 },
  { key: 'background-heals', type: 'int', default: '8', min: 0, max: 256 },
  { key: 'heal-wait-qlength', type: 'int', default: '128', min: 0, max: 65536 },
  { key: 'heal-timeout', type: 'int', default: '600', min: 60, max: 2 ** 31 },
  { key: 'read-policy', type: 'str', default: 'gfid-hash', values: ['round-robin', 'gfid-hash'] },
  { key: 'shd-max-threads', type: 'int', default: '1', min: 1, max: 64 },
  { key: 'shd-wait-qlength', type: 'int', default: '1024', min: 1, max: 65536 },
  { key: 'cpu-extensions', type: 'str', default: 'auto', values: ['none', 'auto', 'x64', 'sse', 'avx'] },
  { key: 'self-heal-window-size', type: 'int', default: '32', min: 1, max: 1024 },
  { key: 'optimistic-change-log', type: 'bool', default: 'on' },
  { key: 'parallel-writes', type: 'bool', default: 'on' },
  { key: 'stripe-cache', type: 'int', default: '4', min: 0, max: 10 },
  { key: 'quorum-count', type: 'int', default: '0', min: 0, max: 31 },
  { key: 'ec-read-mask', type: 'str' },
];
