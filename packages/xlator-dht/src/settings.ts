import { type OptionSpec, type OptionValues, parseSize } from '@glusterts/libglusterfs';

/** Options (spec/dht.md, §23). */
export const options: readonly OptionSpec[] = [
  { key: 'lookup-unhashed', type: 'str', default: 'on', values: ['auto', 'yes', 'no', 'enable', 'disable', '1', '0', 'on', 'off'], flags: ['settable', 'client'] },
  { key: 'lookup-optimize', type: 'bool', default: 'on', flags: ['settable', 'client'] },
  { key: 'min-free-disk', type: 'percent-or-size', default: '10%', flags: ['settable', 'client'] },
  { key: 'min-free-inodes', type: 'percent', default: '5%', flags: ['settable', 'client'] },
  { key: 'directory-layout-spread', type: 'int', min: 1, flags: ['settable', 'client'] },
  { key: 'readdir-optimize', type: 'bool', default: 'off', flags: ['settable', 'client'] },
  { key: 'rsync-hash-regex', type: 'str', flags: ['settable', 'client'] },
  { key: 'extra-hash-regex', type: 'str', flags: ['settable', 'client'] },
  { key: 'xattr-name', type: 'str', default: 'trusted.glusterfs.dht', flags: ['settable', 'client'] },
  { key: 'randomize-hash-range-by-gfid', type: 'bool', default: 'off', flags: ['settable', 'client'] },
  { key: 'rebal-throttle', type: 'str', default: 'normal', flags: ['settable'] },
  { key: 'lock-migration', type: 'bool', default: 'off', flags: ['settable', 'client'] },
  { key: 'force-migration', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'weighted-rebalance', type: 'bool', default: 'on', flags: ['settable'] },
  { key: 'rebalance-stats', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'ensure-durability', type: 'bool', default: 'on', flags: ['settable'] },
  { key: 'use-readdirp', type: 'bool', default: 'on', flags: ['settable', 'client'] },
  { key: 'unhashed-sticky-bit', type: 'bool', default: 'off' },
  { key: 'assert-no-child-down', type: 'bool', default: 'off' },
  { key: 'decommissioned-bricks', type: 'any' },
  { key: 'rebalance-cmd', type: 'int' },
  { key: 'commit-hash', type: 'int' },
  { key: 'node-uuid', type: 'str' },
  { key: 'rebalance-filter', type: 'str' },
];

export interface Settings {
  readonly lookupUnhashed: 'auto' | 'on';
  readonly lookupOptimize: boolean;
  /** A percentage when below 100, else bytes. */
  readonly minFreeDisk: number;
  readonly minFreeInodes: number;
  readonly spread: number | undefined;
  readonly readdirOptimize: boolean;
  readonly rsyncRegex: string | undefined;
  readonly extraRegex: string | undefined;
  readonly byGfid: boolean;
  readonly weighted: boolean;
  readonly useReaddirp: boolean;
  readonly decommissioned: readonly string[];
  readonly unhashedStickyBit: boolean;
}

export function readSettings(values: OptionValues): Settings {
  const spread = values.get('directory-layout-spread');
  return {
    lookupUnhashed: values.text('lookup-unhashed') === 'auto' ? 'auto' : 'on',
    lookupOptimize: values.bool('lookup-optimize'),
    minFreeDisk: percentOrSize(values.text('min-free-disk') ?? '10%'),
    minFreeInodes: values.number('min-free-inodes'),
    spread: typeof spread === 'number' ? spread : undefined,
    readdirOptimize: values.bool('readdir-optimize'),
    rsyncRegex: values.text('rsync-hash-regex'),
    extraRegex: values.text('extra-hash-regex'),
    byGfid: values.bool('randomize-hash-range-by-gfid'),
    weighted: values.bool('weighted-rebalance'),
    useReaddirp: values.bool('use-readdirp'),
    decommissioned: (values.text('decommissioned-bricks') ?? '').split(',').map((name) => name.trim()).filter((name) => name !== ''),
    unhashedStickyBit: values.bool('unhashed-sticky-bit'),
  };
}

/** A percentage, or bytes; a plain number below 100 is a percentage too. */
function percentOrSize(text: string): number {
  return text.endsWith('%') ? Number(text.slice(0, -1)) : Number(parseSize(text) ?? 0);
}
