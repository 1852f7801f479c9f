import { Errno, FopError, type OptionSpec, type OptionValues, type StatedumpWriter, Xlator, type XlatorContext, type XlatorDefinition } from '@glusterts/libglusterfs';

/** A feature that isn't built yet: the xlator's place in the graph, all its options, and what would switch it on. */
interface Feature {
  readonly type: string;
  readonly options: readonly OptionSpec[];
  /** Boolean options that switch it on. */
  readonly switches: readonly string[];
  /** What statedumps show of it. */
  dump?(options: OptionValues, writer: StatedumpWriter): void;
}

/**
 * Stands where GlusterFS's own brick graphs have the feature, and passes everything on at no cost while it is switched off,
 * as the original does. Switching it on is refused: no volume must believe that it has a quota or a changelog when it hasn't.
 */
class SwitchedOff extends Xlator {
  readonly #feature: Feature;

  constructor(context: XlatorContext, feature: Feature) {
    super(context);
    this.#feature = feature;
  }

  override init(): void {
    this.#refuseWhenOn(this.options);
  }

  override reconfigure(options: OptionValues): void {
    this.#refuseWhenOn(options);
    this.options = options;
  }

  override dump(writer: StatedumpWriter): void {
    this.#feature.dump?.(this.options, writer);
  }

  #refuseWhenOn(options: OptionValues): void {
    for (const key of this.#feature.switches) {
      if (options.get(key) === true) {
        throw new FopError(Errno.EOPNOTSUPP, undefined, `${this.#feature.type} is not built yet in glusterts: option ${key} must stay off`);
      }
    }
  }
}

const off = (key: string): OptionSpec => ({ key, type: 'bool', default: 'off' });
const text = (key: string, value?: string): OptionSpec => ({ key, type: 'str', ...(value === undefined ? {} : { default: value }) });
const time = (key: string, value: string): OptionSpec => ({ key, type: 'time', default: value });
const bool = (key: string, value: string): OptionSpec => ({ key, type: 'bool', default: value });

/** Options and defaults: spec/features.md, §0.3, and spec/brick.md, §1.3. */
const FEATURES: readonly Feature[] = [
  {
    type: 'features/trash',
    switches: ['trash', 'trash-internal-op'],
    options: [off('trash'), off('trash-internal-op'), text('trash-dir', '.trashcan'), text('brick-path'), text('trash-eliminate-path'), { key: 'trash-max-filesize', type: 'size', default: '5MB' }],
  },
  {
    type: 'features/changelog',
    switches: ['changelog', 'changelog-notification'],
    options: [off('changelog'), off('changelog-notification'), text('changelog-brick'), text('changelog-dir'), text('encoding', 'ascii'), text('op-mode', 'realtime'), time('rollover-time', '15'), time('fsync-interval', '5'), time('changelog-barrier-timeout', '120'), off('capture-del-path')],
  },
  {
    type: 'features/bitrot-stub',
    switches: ['bitrot'],
    options: [bool('bitrot', 'disable'), text('export'), { key: 'signer-threads', type: 'int', default: '4', min: 0, max: 0 }],
  },
  {
    type: 'features/worm',
    switches: ['worm', 'worm-file-level'],
    options: [off('worm'), off('worm-file-level'), bool('worm-files-deletable', 'on'), { key: 'default-retention-period', type: 'time', default: '120' }, text('retention-mode', 'relax'), { key: 'auto-commit-period', type: 'time', default: '180' }],
  },
  { type: 'features/leases', switches: ['leases'], options: [off('leases'), time('lease-lock-recall-timeout', '60')] },
  {
    type: 'features/marker',
    switches: ['xtime', 'quota', 'inode-quota'],
    options: [off('xtime'), off('quota'), off('inode-quota'), off('gsync-force-xtime'), text('volume-uuid'), text('timestamp-file'), { key: 'quota-version', type: 'int', default: '0', min: 0, max: 0 }],
  },
  {
    type: 'features/barrier',
    switches: ['barrier'],
    options: [bool('barrier', 'disable'), time('barrier-timeout', '120')],
    dump: (options, writer) => {
      writer.section('xlator.features.barrier.priv');
      writer.write('barrier.enabled', 0);
      writer.write('barrier.timeout', options.number('barrier-timeout'));
    },
  },
  {
    type: 'features/quota',
    switches: ['server-quota'],
    options: [off('server-quota'), off('deem-statfs'), text('volume-uuid'), { key: 'default-soft-limit', type: 'percent', default: '80%' }, time('soft-timeout', '60'), time('hard-timeout', '5'), time('alert-time', '86400')],
  },
];

export const switchedOff: XlatorDefinition[] = FEATURES.map((feature) => ({
  type: feature.type,
  options: feature.options,
  create: (context) => new SwitchedOff(context, feature),
}));
