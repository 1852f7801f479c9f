import { ClientPid, type FopName, type Frame } from '@glusterts/libglusterfs';

/** Classes of requests, most urgent first (spec/client.md, §9.9). */
export const Priority = { HI: 0, NORMAL: 1, LO: 2, LEAST: 3 } as const;
export type Priority = (typeof Priority)[keyof typeof Priority];

/**
 * The fops that may wait for a disk on the storage pool, with their class. All others are answered on the spot, so that they need no
 * place in a queue: they go ahead of everything that waits, as HI and NORMAL should. Locks may wait for another client, never for a
 * disk; to count them would let a waiter keep out the unlock it waits for.
 */
export const QUEUED_FOPS: ReadonlyMap<FopName, Priority> = new Map<FopName, Priority>([
  ['readv', Priority.LO], ['writev', Priority.LO], ['fsync', Priority.LO], ['truncate', Priority.LO], ['ftruncate', Priority.LO], ['rchecksum', Priority.LO],
  ['fallocate', Priority.LO], ['discard', Priority.LO], ['zerofill', Priority.LO], ['copy_file_range', Priority.LO], ['fsyncdir', Priority.LO], ['fxattrop', Priority.LO], ['xattrop', Priority.LO],
]);

/** Of GlusterFS's own processes; NO_ROOT_SQUASH stands for users. */
export function isInternal(frame: Frame): boolean {
  return frame.pid < ClientPid.MAX && frame.pid >= ClientPid.SET_UTIME && frame.pid !== ClientPid.NO_ROOT_SQUASH;
}
