import { Dict, Frame, type GraphView, Loc } from '@glusterts/libglusterfs';
import type { Dht } from './dht.js';
import { Key } from './keys.js';
import type { Subvol } from './subvol.js';

/** Free space of the subvolumes: read when one comes up, and in the background of creations (spec/dht.md, §6.1). */

const REFRESH_MS = 1000;
const lastRefresh = new WeakMap<Dht, number>();

/** Asks all subvolumes again, at most once a second. The operation at hand still uses the old numbers. */
export function refreshDisk(dht: Dht, _frame: Frame): void {
  const now = dht.graph.platform.clock.monotonic();
  const last = lastRefresh.get(dht);
  if (last !== undefined && now - last < REFRESH_MS) return;
  lastRefresh.set(dht, now);
  for (const subvol of dht.subvols) if (subvol.up) dht.background('statfs', () => readDisk(dht, subvol, new Dict().setInt(Key.IGNORE_DEEM, 1)));
}

/** Asks one subvolume. */
export function readDisk(dht: Dht, subvol: Subvol, xdata: Dict | undefined): Promise<void> {
  return readSubvolumeDisk(dht.graph, subvol, xdata);
}

export async function readSubvolumeDisk(graph: GraphView, subvol: Subvol, xdata: Dict | undefined): Promise<void> {
  const loc = new Loc({ inode: graph.inodeTable.root, path: '/' as Loc['path'] });
  const { statfs } = await subvol.fops.statfs(new Frame({ pid: 0 }), loc, xdata);
  subvol.setDisk(statfs);
}
