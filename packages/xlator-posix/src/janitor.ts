import { type Bytes, Errno, IaType, NULL_GFID, type Timer } from '@glusterts/libglusterfs';
import type { Brick } from './brick.js';

/* The landfill and the unlink directory (spec/brick.md, §10.2, §10.3). */

/** Entries deleted before other work gets its turn. */
const BATCH_MAX = 64;
const DEPTH_MAX = 1000;

/** Deletes the trees in the landfill, a bit at a time. */
export class Janitor {
  readonly #brick: Brick;
  #timer: Timer | undefined;

  constructor(brick: Brick) {
    this.#brick = brick;
  }

  start(): void {
    const { platform, settings } = this.#brick;
    this.#timer = platform.timers.after(settings.janitorSleepS * 1000, () => this.#run(), { background: true });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #run(): void {
    const { settings, hidden, gate } = this.#brick;
    if (this.#timer === undefined) return;
    const wait = settings.purgeLandfill ? gate.pass() : undefined;
    if (wait) return void wait.then(() => this.#run(), () => this.start());
    const budget = { left: BATCH_MAX };
    if (settings.purgeLandfill) void this.#brick.turns.run(() => purge(this.#brick, `${hidden}/landfill` as Bytes, budget, 0), undefined).then(() => this.#next(budget), () => this.#next(budget));
    else this.#next(budget);
  }

  #next(budget: { left: number }): void {
    const { platform, settings } = this.#brick;
    if (this.#timer === undefined) return;
    const again = budget.left <= 0;
    this.#timer = platform.timers.after(again ? 1 : settings.janitorSleepS * 1000, () => this.#run(), { background: true });
  }
}

/** Deletes what is in a directory, depth first, until the budget is spent. */
export function purge(brick: Brick, dir: Bytes, budget: { left: number }, depth: number): void {
  if (depth > DEPTH_MAX) return;
  for (const name of namesIn(brick, dir)) {
    if (budget.left <= 0) return;
    const path = `${dir}/${name}` as Bytes;
    if (brick.storage.lstat(path, 0) < 0) continue;
    const stat = brick.iatt(0, NULL_GFID);
    const gfid = brick.diskGfid(path);
    if (stat.ia_type === IaType.DIR) {
      purge(brick, path, budget, depth + 1);
      if (budget.left <= 0) return;
      brick.storage.rmdir(path);
      if (gfid !== NULL_GFID) dropStaleDirectoryHandle(brick, gfid);
    } else {
      if (gfid !== NULL_GFID && stat.ia_nlink === 1) brick.storage.unlink(brick.handlePath(gfid));
      brick.storage.unlink(path);
    }
    budget.left--;
  }
}

/** A handle whose directory is gone, or belongs to another gfid by now. */
function dropStaleDirectoryHandle(brick: Brick, gfid: Parameters<Brick['handlePath']>[0]): void {
  brick.directoriesMoved();
  const path = brick.dirPath(gfid);
  if (path === -Errno.ENOENT) return;
  if (typeof path === 'number' || brick.storage.lstat(path, 1) < 0 || brick.diskGfid(path) !== gfid) brick.storage.unlink(brick.handlePath(gfid));
  brick.directoriesMoved();
}

function namesIn(brick: Brick, dir: Bytes): Bytes[] {
  const fd = brick.storage.open(dir, 0o200000 | 0o400000, 0);
  if (fd < 0) return [];
  const names: Bytes[] = [];
  for (;;) {
    const entries = brick.storage.getdents(fd);
    if (typeof entries === 'number' || entries.length === 0) break;
    for (const { name } of entries) if (name !== '.' && name !== '..') names.push(name);
    if (names.length > BATCH_MAX) break;
  }
  brick.storage.close(fd);
  return names;
}

/** Deletes what an earlier process left in `.glusterfs/unlink`. */
export function emptyUnlinkDirectory(brick: Brick): void {
  const dir = `${brick.hidden}/unlink` as Bytes;
  for (let names = namesIn(brick, dir); names.length > 0; names = namesIn(brick, dir)) {
    let removed = 0;
    for (const name of names) if (brick.storage.unlink(`${dir}/${name}` as Bytes) === 0) removed++;
    if (removed === 0) return;
  }
}

