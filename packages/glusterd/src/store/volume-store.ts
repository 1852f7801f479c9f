import type { Volume } from '../volume.js';
import { brickFileName } from '../volume.js';
import { checksumFile, volumeChecksum } from './checksum.js';
import { formatKeyValues, parseKeyValues, StoreError } from './key-values.js';
import type { StoreFiles } from './store-files.js';
import { formatBrick, formatInfo, parseBrick, parseInfo } from './volume-files.js';

/** The directory `vols/` (spec/glusterd.md, §3.1, §3.2). */
export class VolumeStore {
  readonly #files: StoreFiles;
  readonly #workdir: string;
  readonly #basePort: number;

  constructor(files: StoreFiles, workdir: string, basePort: number) {
    this.#files = files;
    this.#workdir = workdir;
    this.#basePort = basePort;
  }

  directory(name: string): string {
    return `${this.#workdir}/vols/${name}`;
  }

  /** Writes a volume: bricks first, `info` after them, then `node_state.info` and `cksum`. */
  store(volume: Volume, opVersion: number): void {
    const directory = this.directory(volume.name);
    const files = this.#files;
    files.makeDirectory(`${directory}/bricks`);
    const bricks = volume.thinArbiter ? [...volume.bricks, volume.thinArbiter] : volume.bricks;
    const temporary = [...bricks.map((brick) => `${directory}/bricks/${brickFileName(brick)}`), `${directory}/info`];
    const info = formatInfo(volume, opVersion);
    try {
      bricks.forEach((brick, at) => files.writeTemporary(temporary[at] ?? '', formatBrick(brick)));
      this.#replace(`${directory}/snapd.info`, formatKeyValues([['snapd-port', volume.snapdPort]]));
      files.writeTemporary(`${directory}/info`, info);
      for (const path of temporary) files.commitTemporary(path);
    } catch (error) {
      for (const path of temporary) files.dropTemporary(path);
      throw error;
    }
    this.storeNodeState(volume);
    files.overwrite(`${directory}/cksum`, checksumFile(volumeChecksum(info).file));
  }

  storeNodeState(volume: Volume): void {
    this.#replace(`${this.directory(volume.name)}/node_state.info`, formatKeyValues(volume.nodeState));
  }

  #replace(path: string, text: string): void {
    this.#files.writeTemporary(path, text);
    this.#files.commitTemporary(path);
  }

  /** Writes volfiles, leaving alone what already holds the same text; true when any changed. */
  storeVolfiles(name: string, volfiles: ReadonlyMap<string, string>): boolean {
    let changed = false;
    for (const [file, text] of volfiles) {
      const path = `${this.directory(name)}/${file}`;
      if (this.#files.read(path) === text) continue;
      this.#replace(path, text);
      changed = true;
    }
    return changed;
  }

  /** A volfile's text; undefined when it is absent. */
  readVolfile(name: string, file: string): string | undefined {
    return this.#files.read(`${this.directory(name)}/${file}`);
  }

  /** Names of all volumes, sorted. */
  names(): string[] {
    return this.#files.list(`${this.#workdir}/vols`).filter((name) => this.#files.isDirectory(this.directory(name)));
  }

  /**
   * Reads a volume back, and rewrites its `cksum`.
   *
   * @throws StoreError when any part is missing or corrupt: one bad volume stops the whole daemon.
   */
  restore(name: string, log: (message: string) => void): Volume {
    const directory = this.directory(name);
    const info = this.#need(`${directory}/info`);
    const { volume, brickFiles, thinArbiterFile, unknown } = parseInfo(name, info, `${directory}/info`);
    for (const key of unknown) log(`Unknown key: ${key} in ${directory}/info`);
    const brick = (file: string): Volume['bricks'][number] => parseBrick(this.#need(`${directory}/bricks/${file}`), file, this.#basePort);
    volume.bricks = brickFiles.map(brick);
    volume.thinArbiter = thinArbiterFile === undefined ? undefined : brick(thinArbiterFile);
    volume.bricks.forEach((each, at) => {
      if (each.id === '') each.id = `${name}-client-${at}`;
    });
    const nodeState = this.#files.read(`${directory}/node_state.info`);
    if (nodeState) volume.nodeState = new Map(parseKeyValues(nodeState, 'node_state.info'));
    const snapd = this.#files.read(`${directory}/snapd.info`);
    if (snapd) volume.snapdPort = Number(new Map(parseKeyValues(snapd, 'snapd.info')).get('snapd-port') ?? '0');
    this.#files.overwrite(`${directory}/cksum`, checksumFile(volumeChecksum(info).file));
    return volume;
  }

  #need(path: string): string {
    const text = this.#files.read(path);
    if (text === undefined) throw new StoreError(`${path} is missing`);
    return text;
  }

  /** Moves a volume's directory to `trash/`, then removes it. */
  delete(volume: Volume): void {
    const grave = `${this.#workdir}/trash/${volume.id}.deleted`;
    this.#files.makeDirectory(`${this.#workdir}/trash`);
    this.#files.rename(this.directory(volume.name), grave);
    this.#files.removeTree(grave);
  }
}
