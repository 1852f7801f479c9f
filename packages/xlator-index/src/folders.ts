import { type Bytes, Errno, FopError, type Gfid, OpenFlag, type Platform, gfidToString } from '@glusterts/libglusterfs';

/** The folders of an index; `entry-changes` belongs to replicate's granular entry heal. */
export type FolderName = 'xattrop' | 'dirty' | 'entry-changes';
export const FOLDERS: readonly FolderName[] = ['xattrop', 'dirty', 'entry-changes'];

const MODE = 0o600;

/**
 * `.glusterfs/indices` of a brick: for each inode that may need healing, a hard link named by its gfid to a base file
 * of mode 0 (spec/afr.md, §22.1, §22.2). An entry is only a hint; the truth is in the xattrs.
 */
export class IndexFolders {
  readonly #platform: Platform;
  readonly #base: Bytes;
  readonly #uuid = new Map<FolderName, string>();
  /** Entries per folder, base files not counted; kept up to date by this process alone. */
  readonly #counts = new Map<FolderName, number>();
  /** No disk is waited for. */
  #inMemory = true;

  constructor(platform: Platform, base: Bytes) {
    this.#platform = platform;
    this.#base = base;
  }

  /** Makes the folders. Errors: those of mkdir; ENOENT when the brick has no `.glusterfs`. */
  create(): void {
    const { storage } = this.#platform;
    for (const path of [this.#base, ...FOLDERS.map((name) => this.#folder(name))]) {
      const result = storage.mkdir(path, MODE);
      if (result < 0 && -result !== Errno.EEXIST) throw new FopError(-result, undefined, `cannot make ${path}`);
    }
    for (const name of FOLDERS) this.#counts.set(name, this.list(name).length);
    this.#inMemory = storage.inMemory(this.#base) === 1;
  }

  /** Makes a change: at once in memory, else in its turn, with the promise that is settled then. */
  #change(change: () => void): Promise<void> | undefined {
    if (!this.#inMemory) {
      return new Promise((resolve, reject) => {
        this.#platform.storage.inTurn(() => {
          try {
            resolve(change());
          } catch (error) {
            reject(error);
          }
        });
      });
    }
    change();
    return undefined;
  }

  count(name: FolderName): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: FolderName, gfid: Gfid): Promise<void> | undefined {
    return this.#change(() => this.#add(name, gfid));
  }

  remove(name: FolderName, entry: Bytes): Promise<void> | undefined {
    return this.#change(() => this.#remove(name, entry));
  }

  #add(name: FolderName, gfid: Gfid): void {
    const { storage } = this.#platform;
    const entry = this.#entry(name, gfid);
    for (let attempt = 0; attempt < 3; attempt++) {
      const base = this.#baseFile(name);
      const result = storage.link(base, entry);
      if (result >= 0) {
        this.#counts.set(name, this.count(name) + 1);
        return;
      }
      if (-result === Errno.EEXIST) return;
      if (-result === Errno.EMLINK) {
        this.#uuid.delete(name);
        continue;
      }
      if (-result !== Errno.ENOENT) throw new FopError(-result, undefined, `cannot link ${entry}`);
      const fd = storage.open(base, OpenFlag.CREAT | OpenFlag.WRONLY | OpenFlag.TRUNC, 0);
      if (fd < 0) throw new FopError(-fd, undefined, `cannot make ${base}`);
      storage.close(fd);
    }
    throw new FopError(Errno.EIO, undefined, `cannot link ${entry}`);
  }

  #remove(name: FolderName, entry: Bytes): void {
    const result = this.#platform.storage.unlink(`${this.#folder(name)}/${entry}` as Bytes);
    if (result >= 0) this.#counts.set(name, Math.max(0, this.count(name) - 1));
    else if (-result !== Errno.ENOENT) throw new FopError(-result);
  }

  /** Names in a folder: gfids, base files left out. */
  list(name: FolderName): Bytes[] {
    const { storage } = this.#platform;
    const fd = storage.open(this.#folder(name), OpenFlag.RDONLY | OpenFlag.DIRECTORY, 0);
    if (fd < 0) throw new FopError(-fd);
    const names: Bytes[] = [];
    try {
      for (;;) {
        const entries = storage.getdents(fd);
        if (typeof entries === 'number') throw new FopError(-entries);
        if (entries.length === 0) return names;
        for (const entry of entries) {
          if (entry.name !== '.' && entry.name !== '..' && !entry.name.startsWith(`${name}-`)) names.push(entry.name);
        }
      }
    } finally {
      storage.close(fd);
    }
  }

  #folder(name: FolderName): Bytes {
    return `${this.#base}/${name}` as Bytes;
  }

  #entry(name: FolderName, gfid: Gfid): Bytes {
    return `${this.#folder(name)}/${gfidToString(gfid)}` as Bytes;
  }

  #baseFile(name: FolderName): Bytes {
    let uuid = this.#uuid.get(name);
    if (uuid === undefined) {
      uuid = gfidToString(this.#platform.random.uuid());
      this.#uuid.set(name, uuid);
    }
    return `${this.#folder(name)}/${name}-${uuid}` as Bytes;
  }
}
