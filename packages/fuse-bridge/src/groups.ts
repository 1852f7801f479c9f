import { type Bytes, OpenFlag, type Platform } from '@glusterts/libglusterfs';

/** As the real one's: 256 buckets of 4 (spec/client.md, §6.15). */
const ENTRIES_MAX = 1024;
const GROUPS_MAX = 65535;
const READ_SIZE = 4096;
const STATUS_SIZE_MAX = 1 << 20;

interface CachedGroups {
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** Monotonic milliseconds. */
  readonly until: number;
}

const NONE: readonly number[] = [];
const UNKNOWN: readonly number[] = [0];

/** The supplementary groups of callers, from /proc/PID/status, remembered for `timeoutS` seconds (0: never; −1: none are sent). */
export class GroupCache {
  readonly #platform: Platform;
  readonly #timeoutS: number;
  readonly #byPid = new Map<number, CachedGroups>();

  constructor(platform: Platform, timeoutS: number) {
    this.#platform = platform;
    this.#timeoutS = timeoutS;
  }

  groupsOf(pid: number, uid: number, gid: number): readonly number[] {
    if (this.#timeoutS < 0) return NONE;
    // A caller in another pid namespace.
    if (pid === 0) return UNKNOWN;
    if (this.#timeoutS === 0) return this.#read(pid);
    const now = this.#platform.clock.monotonic();
    const cached = this.#byPid.get(pid);
    if (cached && cached.until > now && cached.uid === uid && cached.gid === gid) return cached.groups;
    this.#byPid.delete(pid);
    if (this.#byPid.size >= ENTRIES_MAX) {
      const [oldest] = this.#byPid.keys();
      if (oldest !== undefined) this.#byPid.delete(oldest);
    }
    const groups = this.#read(pid);
    this.#byPid.set(pid, { uid, gid, groups, until: now + this.#timeoutS * 1000 });
    return groups;
  }

  #read(pid: number): readonly number[] {
    const { storage } = this.#platform;
    const fd = storage.open(`/proc/${pid}/status` as Bytes, OpenFlag.RDONLY, 0);
    if (fd < 0) return UNKNOWN;
    let text = '';
    const chunk = Buffer.allocUnsafe(READ_SIZE);
    while (text.length < STATUS_SIZE_MAX) {
      const size = storage.preadv(fd, [chunk], text.length, false);
      if (size <= 0) break;
      text += chunk.toString('latin1', 0, size);
    }
    storage.close(fd);
    const line = /^Groups:(.*)$/m.exec(text)?.[1];
    if (line === undefined) return UNKNOWN;
    const groups = line.split(/\s+/).filter(Boolean).map(Number).filter(Number.isSafeInteger);
    return groups.slice(0, GROUPS_MAX);
  }
}
