import type { OptionSpec } from '@glusterts/libglusterfs';

/** features/locks's options (spec/brick.md, §13, §16). */
export const options: readonly OptionSpec[] = [
  { key: 'mandatory-locking', type: 'str', default: 'off', values: ['off', 'file', 'forced', 'optimal'], flags: ['settable'] },
  { key: 'trace', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'monkey-unlocking', type: 'bool', default: 'false', flags: ['settable'] },
  { key: 'revocation-secs', type: 'int', default: '0', min: 0, flags: ['settable'] },
  { key: 'revocation-clear-all', type: 'bool', default: 'false', flags: ['settable'] },
  { key: 'revocation-max-blocked', type: 'int', default: '0', min: 0, flags: ['settable'] },
  { key: 'notify-contention', type: 'bool', default: 'yes', flags: ['settable'] },
  { key: 'notify-contention-delay', type: 'int', default: '5', min: 0, max: 60, flags: ['settable'] },
  { key: 'enforce-mandatory-lock', type: 'bool', default: 'off', flags: ['settable'] },
];
