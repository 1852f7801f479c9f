import { type Bytes, Errno, type Fd, type Flock, FopError, type Frame, LkCmd, LkType, errnoOf } from '@glusterts/libglusterfs';
import type { FuseBridge } from './bridge.js';
import type { FuseLock } from './decode.js';
import type { BodyOf } from './dispatch.js';
import { encodeLk } from './encode.js';
import { fileOf } from './ops-file.js';
import type { ReplyBody, Request } from './request.js';

/** The kernel's "to the end". */
const OFFSET_MAX = 2n ** 63n - 1n;

function toFlock(lock: FuseLock, owner: Bytes): Flock {
  if (lock.type !== LkType.RDLCK && lock.type !== LkType.WRLCK && lock.type !== LkType.UNLCK) throw new FopError(Errno.EINVAL);
  if (lock.start > OFFSET_MAX || lock.end < lock.start) throw new FopError(Errno.EINVAL);
  const len = lock.end >= OFFSET_MAX ? 0n : lock.end - lock.start + 1n;
  return { type: lock.type, whence: 0, start: lock.start, len, pid: lock.pid, owner };
}

export async function getlk(bridge: FuseBridge, request: Request, body: BodyOf<'getlk'>): Promise<ReplyBody> {
  const fd = await fileOf(bridge, request, body.fh);
  request.ownedBy(body.owner);
  const { flock } = await request.graph.top.lk(request.frame, fd, LkCmd.GETLK, toFlock(body.lock, body.owner), undefined);
  const end = flock.len === 0n ? OFFSET_MAX : flock.start + flock.len - 1n;
  return encodeLk(flock.type === LkType.UNLCK ? { start: 0n, end: 0n, type: LkType.UNLCK, pid: 0 } : { start: flock.start, end, type: flock.type, pid: flock.pid });
}

/** SETLK and SETLKW; flock(2) comes as a lock on the whole file (spec/client.md, §6.8). */
export async function setlk(bridge: FuseBridge, request: Request, body: BodyOf<'setlk' | 'setlkw'>): Promise<ReplyBody> {
  const fd = await fileOf(bridge, request, body.fh);
  request.ownedBy(body.owner);
  const flock = toFlock(body.lock, body.owner);
  const waits = body.op === 'setlkw' && flock.type !== LkType.UNLCK;
  if (waits) await interruptible(bridge, request, fd, flock);
  else await request.graph.top.lk(request.frame, fd, body.op === 'setlkw' ? LkCmd.SETLKW : LkCmd.SETLK, flock, undefined);
  if (flock.type !== LkType.UNLCK) bridge.files.get(body.fh).lockedBy(body.owner);
  return undefined;
}

/** A lock that waits until it is granted, or until an INTERRUPT has taken it out of the brick's queue. */
async function interruptible(bridge: FuseBridge, request: Request, fd: Fd, flock: Flock): Promise<void> {
  const { frame, graph, header } = request;
  const abort = new AbortController();
  frame.signal = abort.signal;
  let interrupted: ((error: FopError) => void) | undefined;
  const interruption = new Promise<never>((_resolve, reject) => (interrupted = reject));
  interruption.catch(() => undefined);
  let answered = false;
  bridge.interrupts.register(header.unique, () => {
    void takeBack(request, fd, flock).then((taken) => {
      // A brick that knows no interrupts leaves the lock waiting; layers in this process may honour the signal.
      if (taken) interrupted?.(new FopError(Errno.EINTR));
      else abort.abort();
    });
  });
  const granted = graph.top.lk(frame, fd, LkCmd.SETLKW, flock, undefined);
  granted.then(
    () => {
      if (answered) undoGrant(bridge, request, fd, frame, flock);
    },
    () => undefined,
  );
  try {
    await Promise.race([granted, interruption]);
  } catch (error) {
    answered = true;
    throw abort.signal.aborted || errnoOf(error) === Errno.EINTR ? new FopError(Errno.EINTR) : error;
  } finally {
    bridge.interrupts.unregister(header.unique);
  }
}

/** Asks the brick to drop the waiting lock (spec/client.md, §6.11). */
async function takeBack(request: Request, fd: Fd, flock: Flock): Promise<boolean> {
  try {
    const name = `glusterfs.intrlk.tposix.kblocked.${flock.whence},${flock.start}-${flock.len}` as Bytes;
    const { dict } = await request.graph.top.fgetxattr(request.frame.derive({ signal: undefined }), fd, name, undefined);
    return dict.has(name);
  } catch {
    return false;
  }
}

/** The caller was told EINTR, and yet the lock came: it would stay for ever. */
function undoGrant(bridge: FuseBridge, request: Request, fd: Fd, frame: Frame, flock: Flock): void {
  if (fd.refs === 0) return;
  fd.ref();
  const unlock = request.graph.top.lk(frame.derive({ signal: undefined }), fd, LkCmd.SETLK, { ...flock, type: LkType.UNLCK }, undefined);
  unlock
    .catch((error: unknown) => bridge.log.warning(0, `a lock that was interrupted could not be undone: errno ${errnoOf(error)}`))
    .finally(() => fd.unref());
}

