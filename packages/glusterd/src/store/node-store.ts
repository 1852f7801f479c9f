import { formatKeyValues, parseKeyValues, StoreError } from './key-values.js';
import type { StoreFiles } from './store-files.js';

/** Op-version of GlusterFS 10: the highest that this daemon has. */
export const MAX_OP_VERSION = 100000;
const VERSION_KEY = 'global-option-version';

/** `glusterd.info`, `glusterd.upgrade` and `options`: what concerns the whole node or pool (spec/glusterd.md, §3.3, §3.9). */
export class NodeStore {
  readonly #files: StoreFiles;
  readonly #workdir: string;
  /** This node's UUID; undefined until first needed. */
  uuid: string | undefined;
  opVersion = MAX_OP_VERSION;
  /** Generation of {@link options}. */
  optionsVersion = 0;
  /** Cluster-wide options, in the order of setting. */
  options = new Map<string, string>();

  constructor(files: StoreFiles, workdir: string) {
    this.#files = files;
    this.#workdir = workdir;
  }

  /**
   * Reads all three.
   *
   * @throws StoreError when they are corrupt, or the op-version is out of reach.
   */
  restore(): void {
    const info = new Map(parseKeyValues(this.#files.read(`${this.#workdir}/glusterd.info`) ?? '', 'glusterd.info'));
    this.uuid = info.get('UUID');
    const opVersion = info.get('operating-version');
    this.opVersion = opVersion === undefined ? (this.uuid === undefined ? MAX_OP_VERSION : 1) : Number(opVersion);
    if (!(this.opVersion >= 1 && this.opVersion <= MAX_OP_VERSION)) throw new StoreError(`wrong op-version (${opVersion}) retrieved`);
    const options = this.#files.read(`${this.#workdir}/options`);
    if (options === undefined) return this.storeOptions();
    const pairs = parseKeyValues(options, 'options');
    this.optionsVersion = Number(pairs.find(([key]) => key === VERSION_KEY)?.[1] ?? '0');
    this.options = new Map(pairs.filter(([key]) => key !== VERSION_KEY));
  }

  /** True when the volfiles were written by another release, and all must be made again. */
  noteUpgrade(): boolean {
    const text = formatKeyValues([['maximum-operating-version', MAX_OP_VERSION]]);
    const path = `${this.#workdir}/glusterd.upgrade`;
    if (this.#files.read(path) === text) return false;
    this.#replace(path, text);
    return true;
  }

  storeInfo(): void {
    if (this.uuid === undefined) return;
    this.#replace(`${this.#workdir}/glusterd.info`, formatKeyValues([['UUID', this.uuid], ['operating-version', this.opVersion]]));
  }

  storeOptions(): void {
    this.#replace(`${this.#workdir}/options`, formatKeyValues([...[...this.options].reverse(), [VERSION_KEY, this.optionsVersion]]));
  }

  #replace(path: string, text: string): void {
    this.#files.writeTemporary(path, text);
    this.#files.commitTemporary(path);
  }
}
