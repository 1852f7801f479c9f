import { type Fd, type Frame, type LaneJob, type Mdata, StorageLane } from '@glusterts/libglusterfs';
import type { Brick, OpenFile } from './brick.js';
import { Xattr } from './keys.js';
import { encodeMdata, sameMdata } from './mdata.js';

/*
 * Changes of a file that the pool makes, with the step of its times. While one is made, its thread holds the inode's lock, and who
 * stores an xattr waits for that. So the job stores the times too, and the loop never waits for another's write.
 */

/** What a file has on the pool. */
export class PoolWrites {
  /** Changes under way. */
  count = 0;
  readonly lane = new StorageLane();
  /** What lies on disk may not be the inode's times: they are stored again when no change is under way. */
  stale = false;
}

/** Makes a change on the pool, and the step of the file's times after it: `change` gives the lane to its job. Throws what it throws. */
export async function changeOnPool(brick: Brick, frame: Frame, fd: Fd, file: OpenFile, change: (lane: LaneJob) => Promise<number>): Promise<number> {
  const wait = brick.gate.passToPool(brick.poolWrites);
  if (wait) await wait;
  const state = brick.fileState(file.gfid);
  const pool = (state.pool ??= new PoolWrites());
  const ahead = brick.timesAhead(frame, file, fd.inode);
  pool.count++;
  brick.poolWrites++;
  let made = false;
  try {
    const result = await change({ lane: pool.lane, store: ahead && { name: Xattr.MDATA, value: encodeMdata(ahead) } });
    made = true;
    brick.gate.proven();
    return result;
  } finally {
    pool.count--;
    brick.poolWrites--;
    if (ahead && made) settle(brick, frame, fd, file, pool, ahead);
    else if (ahead) pool.stale = true;
    if (pool.stale && pool.count === 0) {
      pool.stale = false;
      await brick.turns.run(() => brick.storeTimesAgain(file, fd.inode), fd);
    }
  }
}

/** The inode's times reach what was stored, unless others have moved them beyond that meanwhile. */
function settle(brick: Brick, frame: Frame, fd: Fd, file: OpenFile, pool: PoolWrites, ahead: Mdata): void {
  const error = pool.lane.takeError();
  if (error !== 0) brick.warnOfTimes(file.gfid, error);
  if (error !== 0 || !sameMdata(brick.timesReached(frame, file, fd.inode, ahead), ahead)) pool.stale = true;
}
