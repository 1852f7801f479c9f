import { readFileSync } from 'node:fs';
import { type Bytes, Errno, Fd, type FopName, Iatt, type Inode, IoVec, Loc, OpenFlag, SetAttr, errnoOf } from '@glusterts/libglusterfs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { xlators } from '../src/index.js';
import { type TwoClients, twoClients } from './two-clients.js';

/*
 * How many fops leave the default client graph for each command: no more than the real GlusterFS's graph lets through
 * (vectors/network-fops-per-command.txt). What the kernel asks for in each command is spec/client.md, §6.17.
 */

/** protocol/client's names of what the tests send. */
const WIRE_NAMES: Partial<Record<FopName, string>> = { writev: 'WRITE', readv: 'READ' };

/** `{ 'touch /mnt/v/zz/f': [first, second, …] }`: the counts of each time that the command stands there. */
function parseVector(): Map<string, Map<string, number>[]> {
  const counts = new Map<string, Map<string, number>[]>();
  const lines = readFileSync(new URL('vectors/network-fops-per-command.txt', import.meta.url), 'utf8').split('\n');
  lines.forEach((line, i) => {
    if (!line.startsWith('$ ')) return;
    const words = (lines[i + 1] ?? '').trim().split(' ').map((word) => word.split('×'));
    const command = line.slice(2).replaceAll('/mnt/v/zz', 'zz');
    counts.set(command, [...(counts.get(command) ?? []), new Map(words.map(([name, count]) => [name ?? '', Number(count)]))]);
  });
  return counts;
}
const VECTOR = parseVector();

/** What the kernel sends, with nothing of the directory zz cached. */
class Kernel {
  readonly #b: TwoClients;
  #zz: Inode | undefined;

  constructor(b: TwoClients) {
    this.#b = b;
  }

  /** The directory was not looked at for a while. */
  idle(): void {
    this.#b.time.advance(1600);
    this.#zz = undefined;
    this.#b.gate.take();
  }

  async #dir(): Promise<Inode> {
    return (this.#zz ??= (await this.#b.ours.resolve('/zz')).inode);
  }

  async loc(name: string): Promise<Loc> {
    return (await this.#b.ours.lookupIn(await this.#dir(), name as Bytes)).loc;
  }

  /** A name that shall be made. */
  async absent(name: string): Promise<Loc> {
    const parent = await this.#dir();
    await this.#b.ours.lookupIn(parent, name as Bytes).catch((error: unknown) => {
      if (errnoOf(error) !== Errno.ENOENT) throw error;
    });
    return new Loc({ inode: this.#b.graph.inodeTable.create(), parent, name: name as Bytes, path: `/zz/${name}` as Bytes });
  }

  async create(name: string): Promise<Fd> {
    const loc = await this.absent(name);
    const fd = new Fd(loc.inode, { flags: OpenFlag.RDWR });
    const reply = await this.#b.ours.subvolume.create(this.#b.ours.frame, loc, OpenFlag.RDWR | OpenFlag.CREAT, 0o644, 0, fd, this.#b.ours.gfidReq());
    this.#b.graph.inodeTable.link(reply.inode, loc.parent, loc.name, reply.stat);
    return fd.bind();
  }

  async open(loc: Loc, flags: number): Promise<Fd> {
    const fd = new Fd(loc.inode, { flags });
    await this.#b.ours.subvolume.open(this.#b.ours.frame, loc, flags, fd, undefined);
    return fd.bind();
  }

  flush(fd: Fd): Promise<unknown> {
    return this.#b.ours.subvolume.flush(this.#b.ours.frame, fd, undefined);
  }

  async close(fd: Fd): Promise<void> {
    await this.flush(fd);
    fd.unref();
  }

  touch(loc: Loc): Promise<unknown> {
    const now = new Iatt();
    now.ia_atime = now.ia_mtime = 1_700_000_000;
    return this.#b.ours.subvolume.setattr(this.#b.ours.frame, loc, now, SetAttr.ATIME | SetAttr.MTIME | SetAttr.ATIME_NOW | SetAttr.MTIME_NOW, undefined);
  }

  async write(fd: Fd, size: number, at: number): Promise<void> {
    await this.#b.ours.write(fd, Buffer.alloc(size, 1), at);
  }
}

type Command = (k: Kernel, b: TwoClients) => Promise<unknown>;
const byLoc = (name: string, fop: (b: TwoClients, loc: Loc) => Promise<unknown>): Command => async (k, b) => fop(b, await k.loc(name));

const COMMANDS: Readonly<Record<string, Command>> = {
  'echo hello > zz/f': async (k, b) => {
    const loc = await k.loc('f');
    const fd = await k.open(loc, OpenFlag.WRONLY);
    await b.ours.subvolume.truncate(b.ours.frame, loc, 0, undefined);
    await k.write(fd, 6, 0);
    await k.close(fd);
  },
  'echo more >> zz/f': async (k, b) => {
    const fd = await k.open(await k.loc('f'), OpenFlag.WRONLY | OpenFlag.APPEND);
    await k.flush(fd);
    await b.ours.fstat(fd);
    await k.write(fd, 5, 6);
    await k.close(fd);
  },
  'cat zz/f': async (k, b) => {
    const fd = await k.open(await k.loc('f'), OpenFlag.RDONLY);
    const { ia_size } = await b.ours.fstat(fd);
    expect((await b.ours.read(fd, 4096, 0)).length).toBe(ia_size);
    await k.close(fd);
  },
  'cat zz/f; cat zz/f': async (k, b) => {
    const loc = await k.loc('f');
    for (let i = 0; i < 2; i++) {
      const fd = await k.open(loc, OpenFlag.RDONLY);
      await b.ours.fstat(fd);
      await b.ours.read(fd, 4096, 0);
      await k.close(fd);
    }
  },
  'stat zz/f': async (k, b) => b.ours.subvolume.stat(b.ours.frame, await k.loc('f'), undefined),
  'mkdir zz/d': async (k, b) => b.ours.subvolume.mkdir(b.ours.frame, await k.absent('d'), 0o755, 0, b.ours.gfidReq()),
  'dd if=/dev/zero of=zz/big bs=128k count=8': async (k, b) => {
    const loc = await k.loc('big');
    const fd = await k.open(loc, OpenFlag.WRONLY);
    await b.ours.subvolume.truncate(b.ours.frame, loc, 0, undefined);
    await k.flush(fd);
    for (let i = 0; i < 8; i++) await k.write(fd, 131_072, i * 131_072);
    await k.close(fd);
  },
  'ls -l zz': async (k, b) => {
    const dir = (await b.ours.resolve('/zz')).loc;
    const fd = new Fd(dir.inode);
    await b.ours.subvolume.opendir(b.ours.frame, dir, fd, undefined);
    const { entries } = await b.ours.subvolume.readdirp(b.ours.frame, fd, 131_072, 0n, undefined);
    await b.ours.subvolume.readdirp(b.ours.frame, fd, 131_072, entries.at(-1)?.d_off ?? 0n, undefined);
    for (const { inode, name, stat } of entries) {
      if (inode === undefined || name === '.' || name === '..') continue;
      const linked = b.graph.inodeTable.link(inode, dir.inode, name, stat);
      await b.ours.subvolume.stat(b.ours.frame, new Loc({ inode: linked }), undefined);
    }
    fd.unref();
  },
  'ln zz/f zz/l': async (k, b) => {
    const from = await k.loc('f');
    const to = await k.absent('l');
    to.inode = from.inode;
    await b.ours.subvolume.link(b.ours.frame, from, to, undefined);
  },
  'ln -s f zz/s': async (k, b) => b.ours.subvolume.symlink(b.ours.frame, 'f' as Bytes, await k.absent('s'), 0, b.ours.gfidReq()),
  'chmod 600 zz/f': byLoc('f', (b, loc) => b.ours.subvolume.setattr(b.ours.frame, loc, new Iatt(), SetAttr.MODE, undefined)),
  'truncate -s 3 zz/f': async (k, b) => {
    const fd = await k.open(await k.loc('f'), OpenFlag.WRONLY);
    await b.ours.subvolume.ftruncate(b.ours.frame, fd, 3, undefined);
    await k.close(fd);
  },
  'rm zz/f': byLoc('f', (b, loc) => b.ours.subvolume.unlink(b.ours.frame, loc, 0, undefined)),
};

describe('fops that leave the default client graph', () => {
  let b: TwoClients;
  let k: Kernel;

  beforeEach(async () => {
    const stack = ['write-behind', 'open-behind', 'quick-read', 'md-cache', 'io-threads'].flatMap((name) => xlators.filter(({ type }) => type === `performance/${name}`));
    b = await twoClients(stack);
    k = new Kernel(b);
    await b.other.mkdir('/zz');
  });
  afterEach(async () => b.down());

  function check(command: string, nth = 0): void {
    const allowed = VECTOR.get(command)?.[nth];
    if (!allowed) throw new Error(`the vector has no ${command}`);
    const sent = new Map<string, number>();
    for (const fop of b.gate.take()) {
      const name = WIRE_NAMES[fop] ?? fop.toUpperCase();
      sent.set(name, (sent.get(name) ?? 0) + 1);
    }
    for (const [name, count] of sent) expect(count, `${name} in ${command}`).toBeLessThanOrEqual(allowed.get(name) ?? 0);
  }

  it('touch, of a new file and of an old one', async () => {
    k.idle();
    const fd = await k.create('f');
    await k.flush(fd);
    await k.touch(new Loc({ inode: fd.inode }));
    await k.close(fd);
    check('touch zz/f', 0);
    k.idle();
    const loc = await k.loc('f');
    const again = await k.open(loc, OpenFlag.WRONLY);
    await k.flush(again);
    await k.touch(loc);
    await k.close(again);
    check('touch zz/f', 1);
  });

  it.each(Object.entries(COMMANDS))('%s', async (command, run) => {
    await b.other.writeFile('/zz/f', Buffer.from('hello\n'));
    await b.other.writeFile('/zz/big', Buffer.alloc(10));
    k.idle();
    await run(k, b);
    check(command);
  });

  it('many writes with a probe of security.capability before each: one getxattr a second', async () => {
    const fd = await k.create('f');
    k.idle();
    for (let i = 0; i < 64; i++) {
      await expect(b.ours.subvolume.fgetxattr(b.ours.frame, fd, 'security.capability' as Bytes, undefined)).rejects.toMatchObject({ errno: Errno.ENODATA });
      await b.ours.subvolume.writev(b.ours.frame, fd, new IoVec([Buffer.alloc(4096)], []), i * 4096, 0, undefined);
    }
    expect(b.gate.take().filter((fop) => fop.includes('xattr'))).toEqual(['fgetxattr']);
    await k.close(fd);
  });
});
