import { type Fd, IoVec } from '@glusterts/libglusterfs';
import type { Access } from './resolve.js';

/** Bytes of one fop. */
export const FOP_SIZE_MAX = 1 << 20;
/** Fops of one transfer that are under way at once. */
const PARALLEL_MAX = 8;

/**
 * Transfers until the event loop gets its turn: what caches answer needs none, and a program that only reads would keep it from timers and connections.
 */
const TURN_AFTER = 64;
let transfers = 0;

function turn(access: Access): Promise<void> | undefined {
  if (++transfers < TURN_AFTER) return undefined;
  transfers = 0;
  return new Promise((resolve) => access.platform.timers.soon(resolve));
}

/** Runs `job(i)` for 0 ≤ i < count, a few at a time, and stops starting new ones after a failure, which is thrown when all have ended. */
export async function inParallel(count: number, job: (index: number) => Promise<void>, limit = PARALLEL_MAX): Promise<void> {
  let next = 0;
  let failed = false;
  let failure: unknown;
  const worker = async (): Promise<void> => {
    while (!failed && next < count) {
      const index = next++;
      try {
        await job(index);
      } catch (error) {
        if (!failed) failure = error;
        failed = true;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, count) }, worker));
  if (failed) throw failure;
}

/** Reads into `target`, in fops of at most 1 MiB. Returns the bytes up to the first gap: the file's end. */
export async function readInto(access: Access, fd: Fd, target: Uint8Array, position: number): Promise<number> {
  await turn(access);
  const count = Math.ceil(target.length / FOP_SIZE_MAX);
  const sizes = new Array<number>(count).fill(0);
  await inParallel(count, async (index) => {
    const from = index * FOP_SIZE_MAX;
    const want = Math.min(FOP_SIZE_MAX, target.length - from);
    let got = 0;
    // A reply may be short without being the end.
    while (got < want) {
      const { vector } = await access.top.readv(access.frame, fd, want - got, position + from + got, fd.flags, undefined);
      const size = Math.min(vector.size, want - got);
      if (size === vector.size) vector.copyTo(target, from + got);
      else vector.slice(0, size).copyTo(target, from + got);
      vector.unref();
      if (size === 0) break;
      got += size;
    }
    sizes[index] = got;
  });
  let total = 0;
  for (let i = 0; i < count; i++) {
    const size = sizes[i] ?? 0;
    total += size;
    if (size < Math.min(FOP_SIZE_MAX, target.length - i * FOP_SIZE_MAX)) break;
  }
  return total;
}

/**
 * Writes all of `data`, in fops of at most 1 MiB; one after the other when the brick appends. Returns the bytes written: fewer
 * than all when a brick wrote short. The data may not be changed until it resolves.
 */
export async function writeFrom(access: Access, fd: Fd, data: Uint8Array, position: number, inOrder: boolean): Promise<number> {
  await turn(access);
  const count = Math.ceil(data.length / FOP_SIZE_MAX);
  const sizes = new Array<number>(count).fill(0);
  const job = async (index: number): Promise<void> => {
    const from = index * FOP_SIZE_MAX;
    const chunk = data.subarray(from, Math.min(from + FOP_SIZE_MAX, data.length));
    const reply = await access.top.writev(access.frame, fd, IoVec.from(chunk), position + from, fd.flags, undefined);
    sizes[index] = reply.written;
  };
  await inParallel(count, job, inOrder ? 1 : PARALLEL_MAX);
  let total = 0;
  for (let i = 0; i < count; i++) {
    const size = sizes[i] ?? 0;
    total += size;
    if (size < Math.min(FOP_SIZE_MAX, data.length - i * FOP_SIZE_MAX)) break;
  }
  return total;
}
