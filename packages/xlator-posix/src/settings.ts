import type { OptionSpec, OptionValues } from '@glusterts/libglusterfs';

/** storage/posix's options (spec/brick.md, §16). */
export const options: readonly OptionSpec[] = [
  { key: 'directory', type: 'path' },
  { key: 'volume-id', type: 'any' },
  { key: 'hostname', type: 'any' },
  { key: 'glusterd-uuid', type: 'str' },
  { key: 'o-direct', type: 'bool', default: 'off' },
  { key: 'mandate-attribute', type: 'bool', default: 'on' },
  { key: 'background-unlink', type: 'bool', default: 'off' },
  { key: 'janitor-sleep-duration', type: 'int', default: '10', min: 1 },
  { key: 'disable-landfill-purge', type: 'bool', default: 'off' },
  { key: 'export-statfs-size', type: 'bool', default: 'on' },
  { key: 'shared-brick-count', type: 'int', default: '1', min: 1 },
  { key: 'linux-aio', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'linux-io_uring', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'brick-uid', type: 'int', default: '-1', min: -1, flags: ['settable'] },
  { key: 'brick-gid', type: 'int', default: '-1', min: -1, flags: ['settable'] },
  { key: 'node-uuid-pathinfo', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'health-check-interval', type: 'int', default: '30', min: 0, flags: ['settable'] },
  { key: 'health-check-timeout', type: 'int', default: '20', min: 0, flags: ['settable'] },
  { key: 'batch-fsync-mode', type: 'str', default: 'reverse-fsync', values: ['none', 'syncfs', 'syncfs-single-fsync', 'syncfs-reverse-fsync', 'reverse-fsync'], flags: ['settable'] },
  { key: 'batch-fsync-delay-usec', type: 'int', default: '0', min: 0, flags: ['settable'] },
  { key: 'update-link-count-parent', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'gfid2path', type: 'bool', default: 'on', flags: ['settable'] },
  { key: 'gfid2path-separator', type: 'str', default: ':', flags: ['settable'] },
  { key: 'reserve', type: 'percent-or-size', default: '1', min: 0, flags: ['settable'] },
  { key: 'fips-mode-rchecksum', type: 'bool', default: 'off', flags: ['settable'] },
  { key: 'force-create-mode', type: 'str', default: '0000', flags: ['settable'] },
  { key: 'force-directory-mode', type: 'str', default: '0000', flags: ['settable'] },
  { key: 'create-mask', type: 'str', default: '0777', flags: ['settable'] },
  { key: 'create-directory-mask', type: 'str', default: '0777', flags: ['settable'] },
  { key: 'max-hardlinks', type: 'int', default: '100', min: 0, flags: ['settable'] },
  { key: 'ctime', type: 'bool', default: 'on', flags: ['settable'] },
];

/** The options as the fops use them: read once, and again at a reconfigure. */
export interface Settings {
  readonly ctime: boolean;
  readonly gfid2path: boolean;
  readonly gfid2pathSeparator: string;
  readonly pgfid: boolean;
  readonly oDirect: boolean;
  readonly fips: boolean;
  readonly maxHardlinks: number;
  readonly createMask: number;
  readonly createMode: number;
  readonly directoryMask: number;
  readonly directoryMode: number;
  readonly sharedBrickCount: number;
  readonly exportStatfsSize: boolean;
  /** Below 100: percent; else bytes. 0: none. */
  readonly reserve: number;
  readonly nodeUuidPathinfo: boolean;
  readonly batchFsyncMode: string;
  readonly batchFsyncDelayMs: number;
  readonly healthCheckIntervalS: number;
  readonly healthCheckTimeoutS: number;
  readonly janitorSleepS: number;
  readonly purgeLandfill: boolean;
}

/** A mode in octal. */
const octal = (values: OptionValues, key: string): number => Number.parseInt(values.text(key) ?? '0', 8) & 0o777;

export function readSettings(values: OptionValues): Settings {
  return {
    ctime: values.bool('ctime'),
    gfid2path: values.bool('gfid2path'),
    gfid2pathSeparator: values.text('gfid2path-separator') ?? ':',
    pgfid: values.bool('update-link-count-parent'),
    oDirect: values.bool('o-direct'),
    fips: values.bool('fips-mode-rchecksum'),
    maxHardlinks: values.number('max-hardlinks'),
    createMask: octal(values, 'create-mask'),
    createMode: octal(values, 'force-create-mode'),
    directoryMask: octal(values, 'create-directory-mask'),
    directoryMode: octal(values, 'force-directory-mode'),
    sharedBrickCount: values.number('shared-brick-count'),
    exportStatfsSize: values.bool('export-statfs-size'),
    reserve: Number.parseFloat(values.text('reserve') ?? '1'),
    nodeUuidPathinfo: values.bool('node-uuid-pathinfo'),
    batchFsyncMode: values.text('batch-fsync-mode') ?? 'reverse-fsync',
    batchFsyncDelayMs: values.number('batch-fsync-delay-usec') / 1000,
    healthCheckIntervalS: values.number('health-check-interval'),
    healthCheckTimeoutS: values.number('health-check-timeout'),
    janitorSleepS: values.number('janitor-sleep-duration'),
    purgeLandfill: !values.bool('disable-landfill-purge'),
  };
}
