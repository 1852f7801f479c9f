import { OpenFlag, methodsOf, neverOptimised } from '@glusterts/libglusterfs';
import { readdirplus } from '../ops-dir.js';
import { ROOT_NODEID } from '../protocol.js';
import type { PlayedKernel } from './played-kernel.js';

/** Called between requests: resolves when the next may be sent, and says whether there is time for it. */
export type Next = () => boolean | Promise<boolean>;

const SMALL_BYTES = 4096;
const LARGE_BYTES = 1 << 20;
/** Pieces of 1 MiB of the large file: what the brick in memory keeps of it. */
const LARGE_PIECES = 2;
/** READs of the kernel's readahead that are under way at once. */
const READAHEAD = 2;
const FILES = 24;
const RANDOM_IOS = 48;
const LISTINGS = 12;
/** Nothing that xlators know of a file by themselves is believed for so long. */
const CACHES_MS = 2000;
/** Rounds differ by the lengths of their names: so many, in turn. */
const VARIANTS = 2;

export interface Listeners {
  /** Hears of each round that begins: those of one variant ask the same. */
  readonly begin?: (variant: number) => void;
  /** Lets so many milliseconds go by for the graph that is played. */
  readonly pass?: (ms: number) => void;
  /** Hears of each scene that has ended: its name, its operations. */
  readonly say?: (scene: string, operations: number) => void;
}

/**
 * What programs do, as requests of the kernel: small files made, looked at, read, listed, renamed and removed, and a large one written and read,
 * in order and at random. Round after round until `next` says that it is enough.
 */
export async function play(kernel: PlayedKernel, next: Next, { begin, pass, say }: Listeners = {}): Promise<number> {
  // readdirplus: as the xlators' loops over entries.
  neverOptimised([readdirplus, play, smallFiles, largeFile, ...methodsOf(kernel)]);
  let rounds = 0;
  await kernel.getattr(ROOT_NODEID);
  await kernel.statfs();
  for (; ; rounds++) {
    const variant = rounds % VARIANTS;
    begin?.(variant);
    const left = (await smallFiles(kernel, next, variant, pass, say)) && (await largeFile(kernel, next, variant, say));
    // With it go the last RELEASEs.
    await kernel.statfs();
    if (!left) return rounds;
  }
}

/** False when the time was up: whatever there was then is left behind. */
async function smallFiles(kernel: PlayedKernel, next: Next, variant: number, pass?: (ms: number) => void, say?: (scene: string, operations: number) => void): Promise<boolean> {
  const folder = `small-${variant}`;
  if ((await kernel.lookup(ROOT_NODEID, folder)) !== undefined) return false;
  const directory = await kernel.mkdir(ROOT_NODEID, folder);
  // Names of several lengths: buckets, XDR padding and strings differ by them.
  const names = Array.from({ length: FILES }, (_, i) => `f${String(i).padStart(3 + variant * 2, '0')}`);
  const nodes = new Map<string, number>();
  const data = Buffer.alloc(SMALL_BYTES, 'x');
  for (const name of names) {
    if (!(await next())) return false;
    await kernel.getattr(directory);
    await kernel.lookup(directory, name);
    const flags = OpenFlag.WRONLY | OpenFlag.EXCL;
    const { node, fh } = await kernel.create(directory, name, flags);
    await kernel.mayDropPrivileges(node);
    await kernel.write(node, fh, 0, data, OpenFlag.WRONLY);
    await kernel.closeFile(node, fh, OpenFlag.WRONLY);
  }
  say?.('create', FILES);
  kernel.forgetAll(directory);
  // Making more files takes longer than that: they are looked up again, and md-cache lists the directory.
  pass?.(CACHES_MS);
  for (const name of names) {
    if (!(await next())) return false;
    const node = await kernel.lookup(directory, name);
    if (node !== undefined) nodes.set(name, node);
  }
  say?.('stat', FILES);
  for (const node of nodes.values()) {
    if (!(await next())) return false;
    const fh = await kernel.open(node, OpenFlag.RDONLY);
    await kernel.getattr(node);
    await kernel.read(node, fh, 0, SMALL_BYTES, OpenFlag.RDONLY);
    await kernel.closeFile(node, fh, OpenFlag.RDONLY);
  }
  say?.('read', FILES);
  kernel.forgetAll(directory);
  // What is done for an entry runs as often as there are entries, which are few here.
  for (let i = 0; i < LISTINGS; i++) {
    if (!(await next())) return false;
    if (i > 0) kernel.forgetAll(directory);
    for (const { name, nodeid } of await kernel.list(directory)) nodes.set(name, nodeid);
  }
  say?.('list', FILES);
  for (const node of nodes.values()) await kernel.touch(node);
  for (const name of names) {
    if (!(await next())) return false;
    await kernel.lookup(directory, `g${name.slice(1)}`);
    await kernel.rename(directory, name, `g${name.slice(1)}`);
    await kernel.getattr(directory);
  }
  say?.('rename', FILES);
  kernel.forgetAll(directory);
  for (const { name, nodeid } of await kernel.list(directory)) nodes.set(`f${name.slice(1)}`, nodeid);
  for (const name of names) {
    if (!(await next())) return false;
    await kernel.unlink(directory, `g${name.slice(1)}`);
    await kernel.getattr(directory);
    const node = nodes.get(name);
    if (node !== undefined) kernel.forget(node);
  }
  say?.('unlink', FILES);
  await kernel.rmdir(ROOT_NODEID, folder);
  kernel.forget(directory);
  return true;
}

async function largeFile(kernel: PlayedKernel, next: Next, variant: number, say?: (scene: string, operations: number) => void): Promise<boolean> {
  const name = `large-${variant}.dat`;
  await kernel.lookup(ROOT_NODEID, name);
  const made = await kernel.create(ROOT_NODEID, name, OpenFlag.WRONLY);
  await kernel.closeFile(made.node, made.fh, OpenFlag.WRONLY);
  const piece = Buffer.alloc(LARGE_BYTES, 'y');
  let fh = await kernel.open(made.node, OpenFlag.RDWR);
  await kernel.mayDropPrivileges(made.node);
  for (let i = 0; i < LARGE_PIECES; i++) {
    if (!(await next())) return false;
    await kernel.write(made.node, fh, i * LARGE_BYTES, piece, OpenFlag.RDWR);
  }
  await kernel.fsync(made.node, fh);
  await kernel.closeFile(made.node, fh, OpenFlag.RDWR);
  say?.('write 1M', LARGE_PIECES);
  kernel.forgetAll();
  const node = await kernel.lookup(ROOT_NODEID, name);
  if (node === undefined) return false;
  fh = await kernel.open(node, OpenFlag.RDONLY);
  for (let i = 0; i < LARGE_PIECES; i += READAHEAD) {
    if (!(await next())) return false;
    await Promise.all(Array.from({ length: READAHEAD }, (_, j) => kernel.read(node, fh, (i + j) * LARGE_BYTES, LARGE_BYTES, OpenFlag.RDONLY)));
  }
  say?.('read 1M', LARGE_PIECES);
  for (let i = 0; i < RANDOM_IOS; i++) {
    if (!(await next())) return false;
    await kernel.read(node, fh, somewhere(i), SMALL_BYTES, OpenFlag.RDONLY);
  }
  await kernel.closeFile(node, fh, OpenFlag.RDONLY);
  say?.('randread', RANDOM_IOS);
  fh = await kernel.open(node, OpenFlag.RDWR);
  const block = piece.subarray(0, SMALL_BYTES);
  for (let i = 0; i < RANDOM_IOS; i++) {
    if (!(await next())) return false;
    await kernel.write(node, fh, somewhere(i), block, OpenFlag.RDWR);
  }
  await kernel.fsync(node, fh);
  await kernel.closeFile(node, fh, OpenFlag.RDWR);
  say?.('randwrite', RANDOM_IOS);
  await kernel.unlink(ROOT_NODEID, name);
  kernel.forget(node);
  return true;
}

/** Blocks of the large file, in an order that jumps. */
function somewhere(i: number): number {
  const blocks = (LARGE_PIECES * LARGE_BYTES) / SMALL_BYTES;
  return ((i * 397 + 11) % blocks) * SMALL_BYTES;
}
