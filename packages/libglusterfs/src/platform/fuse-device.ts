import { type Bytes, toBuffer } from '../bytes.js';
import { Errno } from '../errno.js';
import { FopError } from '../fop-error.js';
import { IoVec, type Iobuf, type IobufPool } from '../iobuf.js';
import type { NativeNetwork } from './native-network.js';
import type { NativeEventPool } from './native-transport.js';
import { loadNative } from './native.js';

/** What the device hands to mount/fuse. Called from the event loop, never from inside a call to the device. */
export interface FuseDeviceHandlers {
  /**
   * One request. `message`: its header and arguments, little endian; it stays valid as long as it is held. `payload`: the
   * data of a WRITE when they don't lie in `message`, in a page of their own and handed over: unref it.
   */
  onRequest(message: Buffer, payload: IoVec | undefined): void;
  /** Reading has stopped: ENODEV when the file system was unmounted. EPERM may pass: `resume()` reads on. */
  onError(errno: Errno): void;
}

/** An open /dev/fuse. */
export interface FuseDevice {
  /** Sends one message, a reply or a notification, in one writev. 0, or −errno: −ENOENT when the request was interrupted. */
  write(chunks: readonly Uint8Array[]): number;
  /** Sends notifications from a thread, one after the other, for the kernel may hold each until another request was answered. For each 0, or −errno. */
  notify(messages: readonly Uint8Array[]): Promise<readonly number[]>;
  pause(): void;
  resume(): void;
  /** Closes it: a file system that is still mounted answers ENOTCONN from now on. */
  close(): void;
}

interface NativeFuseChannel {
  write(chunks: readonly Uint8Array[]): number;
  notify(messages: readonly Uint8Array[]): Promise<readonly number[]>;
  pause(): void;
  resume(): void;
  close(): void;
}

interface FuseAddon {
  FuseChannel: new (
    fd: number,
    payloadMax: number,
    onBatch: (buffer: ArrayBuffer, offset: number, requests: number, errno: number, unusedPage: number) => void,
    allocPage: (size: number) => Uint8Array,
    pageIndex: Int32Array,
    eventPool: NativeEventPool,
  ) => NativeFuseChannel;
  fuseFusermount: (argv: readonly Uint8Array[], stay: boolean) => number;
  fuseUmount: (target: Uint8Array, flags: number) => Promise<number>;
  fuseWatch: (target: Uint8Array) => number | [number, number];
  fuseUnwatch: (fd: number, pid: number) => void;
}

const REQUEST_INTS = 4;

/** What to tell someone who wants to mount without it. */
export const NO_ADDON = 'mounting needs the native addon: install cmake, g++ and make, then run `node tools/build-native.mjs`';

let loaded: FuseAddon | undefined;

function load(): FuseAddon | undefined {
  return (loaded ??= loadNative<FuseAddon>('FuseChannel'));
}

function addon(): FuseAddon {
  const found = load();
  if (!found) throw new FopError(Errno.EOPNOTSUPP, undefined, NO_ADDON);
  return found;
}

/** Whether a device can be opened: the addon has been built and GLUSTERTS_PORTABLE isn't 1. */
export function fuseDeviceAvailable(): boolean {
  return load() !== undefined;
}

/**
 * Mounts through fusermount3, as a user who may not call mount(2). Blocks until it has answered (30 seconds at most).
 * @param stay fusermount3 goes on running, and unmounts when this process ends (auto_unmount)
 * @returns the device, or −errno
 */
export function fusermountDevice(argv: readonly Bytes[], stay: boolean): number {
  return addon().fuseFusermount(argv.map((word) => toBuffer(word)), stay);
}

/** Unmounts from a thread: the kernel writes back through the very process that asks. 0, or −errno. */
export function umountFuse(target: Bytes, flags: number): Promise<number> {
  return addon().fuseUmount(toBuffer(target), flags);
}

/**
 * A mount point that shall not outlive this process, however that ends (auto_unmount): a small process unmounts it then. Throws a
 * FopError when that can't be started.
 * @returns call it when the mount point is gone
 */
export function watchMountPoint(target: Bytes): () => void {
  const watch = addon().fuseWatch(toBuffer(target));
  if (typeof watch === 'number') throw new FopError(-watch, undefined, 'auto_unmount: no process can be started');
  const [fd, pid] = watch;
  return () => addon().fuseUnwatch(fd, pid);
}

/** Opens devices: see {@link Platform.openFuseDevice}. */
export type OpenFuseDevice = (fd: number, payloadMax: number, handlers: FuseDeviceHandlers) => FuseDevice;

/**
 * Reads requests from an open /dev/fuse, which it takes over: in the epoll set of the network, so that requests and replies
 * share one wake-up and what they send leaves together.
 */
export function joinFuseDevice(network: NativeNetwork, fd: number, payloadMax: number, iobufs: IobufPool, handlers: FuseDeviceHandlers): FuseDevice {
  const { FuseChannel } = addon();
  const pages: (Iobuf | undefined)[] = [];
  const free: number[] = [];
  const pageIndex = new Int32Array(1);
  const take = (index: number): Iobuf | undefined => {
    const iobuf = pages[index];
    pages[index] = undefined;
    free.push(index);
    return iobuf;
  };
  const allocPage = (size: number): Uint8Array => {
    const iobuf = iobufs.get(size);
    const index = free.pop() ?? pages.length;
    pages[index] = iobuf;
    pageIndex[0] = index;
    return iobuf.memory;
  };
  const onBatch = (buffer: ArrayBuffer, offset: number, count: number, errno: number, unusedPage: number): void => {
    if (unusedPage >= 0) take(unusedPage)?.unref();
    const table = new Int32Array(buffer, offset, count * REQUEST_INTS);
    const base = offset + count * REQUEST_INTS * 4;
    for (let i = 0; i < count; i++) {
      const at = i * REQUEST_INTS;
      const message = Buffer.from(buffer, base + (table[at] ?? 0), table[at + 1] ?? 0);
      const page = table[at + 2] ?? -1;
      const iobuf = page >= 0 ? take(page) : undefined;
      handlers.onRequest(message, iobuf && new IoVec([iobuf.memory.subarray(0, table[at + 3] ?? 0)], [iobuf]));
    }
    if (errno !== 0) handlers.onError(errno);
  };
  const pool = network.join();
  let channel: NativeFuseChannel;
  try {
    channel = new FuseChannel(fd, payloadMax, onBatch, allocPage, pageIndex, pool);
  } catch (error) {
    network.leave();
    throw error;
  }
  let open = true;
  return {
    write: (chunks) => channel.write(chunks),
    notify: (messages) => channel.notify(messages),
    pause: () => channel.pause(),
    resume: () => channel.resume(),
    close: () => {
      if (!open) return;
      open = false;
      channel.close();
      network.leave();
    },
  };
}
