import { Errno, FopError, type Frame, LkType, type Loc, ROOT_GFID } from '@glusterts/libglusterfs';
import { computeLayout, maximiseOverlap } from './compute-layout.js';
import type { Dht } from './dht.js';
import { readLayout, writeRanges } from './directory-heal.js';
import { Domain } from './keys.js';
import type { Layout } from './layout.js';
import { LockSet } from './locks.js';

/** A new layout for an old directory, with as little change as may be (spec/dht.md, §6.2). */

const USER_SET = 1;

export async function fixLayout(dht: Dht, caller: Frame, loc: Loc): Promise<void> {
  const frame = dht.healFrame(caller);
  const isRoot = loc.targetGfid === ROOT_GFID;
  const old = await readLayout(dht, frame, loc, dht.lookupXdata(undefined, isRoot));
  if (old.entries.some((entry) => entry.err === Errno.ENOTCONN)) throw new FopError(Errno.ENOTCONN);
  if (old.type === USER_SET) return;
  const next = old.clone();
  for (const entry of next.entries) if (entry.err === Errno.ENOSPC) entry.err = -1;
  computeLayout(next, { key: dht.layoutKey(loc, loc.targetGfid), hasher: dht.hasher, weighted: dht.settings.weighted, spread: dht.settings.spread });
  const sizes = new Set(dht.subvols.map((subvol) => subvol.disk.chunks));
  if (sizes.size === 1 || !dht.settings.weighted) maximiseOverlap(next, old.clone());

  const locks = new LockSet(dht, frame);
  await locks.inodelks(dht.subvols.map((subvol) => ({ subvol, loc, domain: Domain.LAYOUT, type: LkType.WRLCK })));
  try {
    const disk = await readLayout(dht, frame, loc, dht.lookupXdata(undefined, isRoot));
    if (!isToBeWritten(dht, disk, next)) return;
    for (const entry of next.entries) entry.commit = next.commit;
    await writeRanges(dht, frame, loc, next, next.entries.filter((entry) => entry.err === -1 || entry.err === 0 || entry.subvol.decommissioned));
    dht.setLayout(loc.inode, loc.targetGfid, next.sort(), undefined);
  } finally {
    locks.release();
  }
}

function isToBeWritten(dht: Dht, disk: Layout, next: Layout): boolean {
  const { holes, overlaps, down, misc } = disk.anomalies();
  if (down > 0 || misc > 0) return false;
  const decommissioned = dht.subvols.filter((subvol) => subvol.decommissioned).length;
  const withRange = disk.entries.filter((entry) => entry.start !== entry.stop).length;
  return holes > 0 || overlaps > 0 || disk.commit !== next.commit || decommissioned > 0 || withRange !== dht.subvols.length - decommissioned || isWeighted(disk) !== isWeighted(next);
}

/** Some range differs from the first by more than the number of subvolumes. */
function isWeighted(layout: Layout): boolean {
  const ranges = layout.entries.filter((entry) => entry.start !== entry.stop).map((entry) => entry.stop - entry.start);
  return ranges.some((range) => Math.abs(range - (ranges[0] ?? 0)) > layout.entries.length);
}
