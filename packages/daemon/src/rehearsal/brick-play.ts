import { type Inode, LkType, OpenFlag, methodsOf, neverOptimised } from '@glusterts/libglusterfs';
import type { BrickCaller } from './brick-caller.js';
import type { BrickStage } from './brick-stage.js';
import type { Next } from './pace.js';

const SMALL_BYTES = 4096;
const LARGE_BYTES = 1 << 20;
const LARGE_PIECES = 2;
const FILES = 24;
const RANDOM_IOS = 32;
const LISTINGS = 6;
/** Of a dispersed volume's directory a client knows the names, once it has asked for some; and one of its bricks tells a file's size. */
const ASKED_SHARE = 4;
/** Names of that many lengths are recorded. */
const ROUNDS = 2;

/**
 * What a brick is asked for when a client's programs make, read, list, rename and remove small files, and write and read a large one; round after round: a few by a client,
 * and what that sent once more, as long as there is time. Resolves with the number of rounds.
 */
export async function playBrick({ caller, tape, dispersed }: Pick<BrickStage, 'caller' | 'tape' | 'dispersed'>, next: Next, say?: (scene: string, operations: number) => void): Promise<number> {
  neverOptimised([playBrick, smallFiles, renameDistributed, largeFile, ...methodsOf(caller)]);
  await caller.statfs();
  await caller.setLayout(caller.root);
  for (let round = 0; round < ROUNDS; round++) {
    const whole = await tape.record(async () => {
      const left = (await smallFiles(caller, dispersed, next, round, say)) && (await largeFile(caller, dispersed, next, round, say));
      // With it go the last RELEASEs: the next round begins with no open file.
      await caller.statfs();
      return left;
    });
    if (!whole) return round;
  }
  return ROUNDS + (await tape.play(next));
}

async function smallFiles(caller: BrickCaller, dispersed: boolean, next: Next, round: number, say?: (scene: string, operations: number) => void): Promise<boolean> {
  const folder = `small-${round}`;
  await caller.lookup(caller.root, folder);
  const directory = await caller.mkdir(caller.root, folder);
  await caller.setLayout(directory);
  const names = Array.from({ length: FILES }, (_, i) => `f${String(i).padStart(3 + (round % 4) * 2, '0')}`);
  const inodes = new Map<string, Inode>();
  const data = Buffer.alloc(dispersed ? SMALL_BYTES / 4 : SMALL_BYTES, 'x');
  for (const [i, name] of names.entries()) {
    if (!(await next())) return false;
    if (!dispersed || i % ASKED_SHARE === 0) await caller.lookup(directory, name);
    const file = await caller.create(directory, name);
    inodes.set(name, file.inode);
    // Of a dispersed volume it has come with its lock.
    await caller.write(file, 0, data, true);
    caller.close(file);
  }
  if (dispersed) await caller.unlockTogether([...inodes.values()]);
  say?.('create', FILES);
  for (const name of names) {
    if (!(await next())) return false;
    await caller.lookup(directory, name);
  }
  say?.('lookup', FILES);
  for (const inode of inodes.values()) {
    if (!(await next())) return false;
    const file = await caller.open(inode, OpenFlag.RDONLY);
    await caller.read(file, 0, data.length, true);
    if (dispersed) await caller.lookUpAgain(inode);
    else await caller.fstat(file);
    caller.close(file);
  }
  say?.('read', FILES);
  for (let i = 0; i < LISTINGS; i++) {
    if (!(await next())) return false;
    await caller.list(directory);
  }
  say?.('list', FILES);
  for (const [i, [name, inode]] of [...inodes].entries()) {
    if (!(await next())) return false;
    const newname = `g${name.slice(1)}`;
    if (dispersed) {
      const asks = i % ASKED_SHARE === 0;
      if (asks) await caller.lookup(directory, newname);
      await caller.rename(directory, inode, name, newname, asks);
    } else {
      await renameDistributed(caller, directory, inode, name, newname, i % 2 === 0);
    }
  }
  say?.('rename', FILES);
  for (const [name, inode] of inodes) {
    if (!(await next())) return false;
    await caller.unlink(directory, `g${name.slice(1)}`, inode);
  }
  say?.('unlink', FILES);
  await caller.rmdir(caller.root, folder, directory);
  return true;
}

/** As clients of a distributed volume do it, under their locks; the other half of names moves to another brick, and from there to this one. */
async function renameDistributed(caller: BrickCaller, directory: Inode, inode: Inode, name: string, newname: string, stays: boolean): Promise<void> {
  await caller.lookup(directory, newname);
  await Promise.all([caller.lock(inode, 'dht.file.migrate'), caller.lock(directory, 'dht.layout.heal', LkType.RDLCK), caller.lockEntry(directory, name, true)]);
  if (stays) {
    await caller.rename(directory, inode, name, newname);
  } else {
    await caller.renameLinkto(directory, `h${name}`, `i${name}`);
    await caller.renameByLink(directory, inode, name, newname);
  }
  // Nobody waits for these: they come together with the next one's.
  await Promise.all([caller.lockEntry(directory, name, false), caller.unlock(directory, 'dht.layout.heal'), caller.unlock(inode, 'dht.file.migrate'), caller.stat(directory)]);
}

async function largeFile(caller: BrickCaller, dispersed: boolean, next: Next, round: number, say?: (scene: string, operations: number) => void): Promise<boolean> {
  const name = `large-${round}.dat`;
  await caller.lookup(caller.root, name);
  const made = await caller.create(caller.root, name);
  const block = dispersed ? SMALL_BYTES / 4 : SMALL_BYTES;
  const piece = Buffer.alloc(dispersed ? LARGE_BYTES / 4 : LARGE_BYTES, 'y');
  if (dispersed) await caller.xattrop(made, false);
  for (let i = 0; i < LARGE_PIECES; i++) {
    if (!(await next())) return false;
    await caller.write(made, i * piece.length, piece);
  }
  if (dispersed) {
    await caller.xattrop(made, true);
    await caller.unlock(made.inode, 'rehearsal');
  }
  await caller.fsync(made);
  caller.close(made);
  say?.('write 1M', LARGE_PIECES);
  const file = await caller.open(made.inode, OpenFlag.RDWR);
  if (dispersed) await caller.lock(file.inode, 'rehearsal');
  for (let i = 0; i < LARGE_PIECES; i++) {
    if (!(await next())) return false;
    await caller.read(file, i * piece.length, piece.length);
  }
  say?.('read 1M', LARGE_PIECES);
  const blocks = (LARGE_PIECES * piece.length) / block;
  const somewhere = (i: number): number => ((i * 397 + 11) % blocks) * block;
  for (let i = 0; i < RANDOM_IOS; i++) {
    if (!(await next())) return false;
    await caller.read(file, somewhere(i), block);
  }
  say?.('randread', RANDOM_IOS);
  for (let i = 0; i < RANDOM_IOS; i++) {
    if (!(await next())) return false;
    await caller.write(file, somewhere(i), piece.subarray(0, block));
  }
  await caller.fsync(file);
  if (dispersed) await caller.unlock(file.inode, 'rehearsal');
  caller.close(file);
  say?.('randwrite', RANDOM_IOS);
  await caller.unlink(caller.root, name, made.inode);
  return true;
}
