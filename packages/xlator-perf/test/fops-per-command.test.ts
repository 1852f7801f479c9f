import { readFileSync } from 'node:fs';
import { type Bytes, Dict, type Direntp, Errno, Fd, type FopName, IaType, Iatt, type Inode, IoVec, LkCmd, LkType, Loc, OpenFlag, type ReaddirReply, SetAttr, errnoOf } from '@glusterts/libglusterfs';
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
  readonly #dirs = new Map<string, Inode>();

  constructor(b: TwoClients) {
    this.#b = b;
  }

  /** The directory was not looked at for a while. */
  idle(): void {
    this.#b.time.advance(1600);
    this.#dirs.clear();
    this.#b.gate.take();
  }

  /** A folder below zz, or zz itself: looked up once. The root is known. */
  async #dir(path: string): Promise<Inode> {
    const known = this.#dirs.get(path);
    if (known) return known;
    if (path === '/') return this.#b.graph.inodeTable.root;
    const { inode } = path === '' ? await this.#b.ours.resolve('/zz') : await this.#b.ours.lookupIn(await this.#dir(''), path as Bytes);
    this.#dirs.set(path, inode);
    return inode;
  }

  async #parent(path: string): Promise<{ parent: Inode; name: Bytes }> {
    const slash = path.indexOf('/');
    return { parent: await this.#dir(path.slice(0, Math.max(slash, 0))), name: path.slice(slash + 1) as Bytes };
  }

  async dirLoc(path: string): Promise<Loc> {
    return new Loc({ inode: await this.#dir(path) });
  }

  /** A file below zz, or below a folder there. */
  async loc(path: string): Promise<Loc> {
    const { parent, name } = await this.#parent(path);
    return (await this.#b.ours.lookupIn(parent, name)).loc;
  }

  /** A name that shall be made. */
  async absent(path: string): Promise<Loc> {
    const { parent, name } = await this.#parent(path);
    await this.#b.ours.lookupIn(parent, name).catch((error: unknown) => {
      if (errnoOf(error) !== Errno.ENOENT) throw error;
    });
    return new Loc({ inode: this.#b.graph.inodeTable.create(), parent, name, path: `/zz/${path}` as Bytes });
  }

  async openDir(path: string): Promise<Fd> {
    const dir = await this.dirLoc(path);
    const fd = new Fd(dir.inode);
    await this.#b.ours.subvolume.opendir(this.#b.ours.frame, dir, fd, undefined);
    return fd.bind();
  }

  /** READDIRPLUS from the beginning, then from the last entry until nothing comes; what it shows needs no lookup. */
  async list(fd: Fd): Promise<Loc[]> {
    const shown: Loc[] = [];
    for (let offset = 0n; ; ) {
      const { entries } = await this.#b.ours.subvolume.readdirp(this.#b.ours.frame, fd, 131_072, offset, undefined);
      for (const { inode, name, stat } of entries) {
        if (name === '.' || name === '..') continue;
        // As mount/fuse does.
        const { inodeTable } = this.#b.graph;
        const linked = inodeTable.link(inode ?? inodeTable.create(), fd.inode, name, stat);
        shown.push(new Loc({ inode: linked, parent: fd.inode, name }));
        if (stat.ia_type === IaType.DIR) this.#dirs.set(name, linked);
      }
      const last = entries.at(-1);
      if (last === undefined) return shown;
      offset = last.d_off;
    }
  }

  async create(name: string): Promise<Fd> {
    const loc = await this.absent(name);
    return this.make(loc);
  }

  /** CREATE, when it has been looked up. */
  async make(loc: Loc): Promise<Fd> {
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

/** What `cp` does: who copies looks for the target before and after it opens the source. */
async function copy(k: Kernel, b: TwoClients, to: string): Promise<{ source: Fd; target: Fd; at: Loc }> {
  await k.absent(to);
  const source = await k.open(await k.loc('f'), OpenFlag.RDONLY);
  const at = await k.absent(to);
  const target = await k.make(at);
  await k.write(target, (await b.ours.read(source, 131_072, 0)).length, 0);
  return { source, target, at };
}

/** What `dd of=zz/big` does to a file that is there. */
async function overwrite(k: Kernel, b: TwoClients, flags: number, writes: number, more: { sync?: 'each' | 'end' } = {}): Promise<void> {
  const loc = await k.loc('big');
  const fd = await k.open(loc, OpenFlag.WRONLY | flags);
  await b.ours.subvolume.truncate(b.ours.frame, loc, 0, undefined);
  await k.flush(fd);
  for (let i = 0; i < writes; i++) {
    await k.write(fd, 131_072, i * 131_072);
    if (more.sync === 'each') await b.ours.subvolume.fsync(b.ours.frame, fd, false, undefined);
  }
  if (more.sync === 'end') await b.ours.subvolume.fsync(b.ours.frame, fd, false, undefined);
  await k.close(fd);
}

const getxattr = (b: TwoClients, loc: Loc, name: string | undefined): Promise<unknown> => b.ours.subvolume.getxattr(b.ours.frame, loc, name as Bytes | undefined, undefined);
const statfs = async (k: Kernel, b: TwoClients, path = ''): Promise<unknown> => b.ours.subvolume.statfs(b.ours.frame, await k.dirLoc(path), undefined);

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
  'cp zz/f zz/g': async (k, b) => {
    const { source, target } = await copy(k, b, 'g');
    await k.close(target);
    await k.close(source);
  },
  'cp -p zz/f zz/h': async (k, b) => {
    const { source, target, at } = await copy(k, b, 'h');
    await b.ours.subvolume.setattr(b.ours.frame, at, new Iatt(), SetAttr.ATIME | SetAttr.MTIME, undefined);
    await b.ours.subvolume.setattr(b.ours.frame, at, new Iatt(), SetAttr.MODE, undefined);
    await k.close(target);
    await k.close(source);
  },
  'dd if=/dev/zero of=zz/big bs=4k count=256': async (k, b) => {
    await b.other.unlink('/zz/big');
    // A network takes longer than a program that writes.
    b.gate.alter('writev', async (reply) => {
      await new Promise((resolve) => setImmediate(resolve));
      return reply;
    });
    const fd = await k.create('big');
    await k.flush(fd);
    for (let i = 0; i < 256; i++) await k.write(fd, 4096, i * 4096);
    await k.close(fd);
  },
  'dd if=/dev/zero of=zz/big bs=128k count=8': (k, b) => overwrite(k, b, 0, 8),
  'dd if=/dev/zero of=zz/big bs=1M count=8 conv=fsync': (k, b) => overwrite(k, b, 0, 64, { sync: 'end' }),
  'dd if=/dev/zero of=zz/big bs=128k count=8 oflag=sync': (k, b) => overwrite(k, b, OpenFlag.SYNC, 8, { sync: 'each' }),
  'dd if=/dev/zero of=zz/big bs=128k count=8 oflag=direct': (k, b) => overwrite(k, b, OpenFlag.DIRECT, 8),
  'dd if=zz/big of=/dev/null bs=128k iflag=direct': async (k, b) => {
    const fd = await k.open(await k.loc('big'), OpenFlag.RDONLY | OpenFlag.DIRECT);
    await k.flush(fd);
    for (let i = 0; i < 8; i++) expect((await b.ours.read(fd, 131_072, i * 131_072)).length).toBe(131_072);
    await k.close(fd);
  },
  'ls zz': async (k) => {
    const fd = await k.openDir('');
    await k.list(fd);
    fd.unref();
  },
  'ls -l zz': async (k, b) => {
    const fd = await k.openDir('');
    for (const loc of await k.list(fd)) await b.ours.subvolume.stat(b.ours.frame, loc, undefined);
    fd.unref();
  },
  'mv zz/g zz/d/g': async (k, b) => {
    // RENAME2 comes to nothing; then `mv` looks again.
    for (let i = 0; i < 2; i++) await k.absent('d/g');
    const from = await k.loc('g');
    await b.ours.subvolume.rename(b.ours.frame, from, await k.absent('d/g'), undefined);
  },
  'ln zz/f zz/l': async (k, b) => {
    const from = await k.loc('f');
    const to = await k.absent('l');
    to.inode = from.inode;
    await b.ours.subvolume.link(b.ours.frame, from, to, undefined);
  },
  'ln -s f zz/s': async (k, b) => b.ours.subvolume.symlink(b.ours.frame, 'f' as Bytes, await k.absent('s'), 0, b.ours.gfidReq()),
  'readlink zz/s': byLoc('s', (b, loc) => b.ours.subvolume.readlink(b.ours.frame, loc, 4096, undefined)),
  'chmod 600 zz/f': byLoc('f', (b, loc) => b.ours.subvolume.setattr(b.ours.frame, loc, new Iatt(), SetAttr.MODE, undefined)),
  'truncate -s 3 zz/f': async (k, b) => {
    const fd = await k.open(await k.loc('f'), OpenFlag.WRONLY);
    await b.ours.subvolume.ftruncate(b.ours.frame, fd, 3, undefined);
    await k.close(fd);
  },
  'setfattr -n user.a -v b zz/f': byLoc('f', (b, loc) => b.ours.subvolume.setxattr(b.ours.frame, loc, new Dict().setBin('user.a', Buffer.from('b')), 0, undefined)),
  'getfattr -n user.a zz/f': byLoc('f', async (b, loc) => {
    // How long it is, then itself.
    for (let i = 0; i < 2; i++) await getxattr(b, loc, 'user.a');
  }),
  'getfattr -d zz/f': byLoc('f', async (b, loc) => {
    for (const name of [undefined, undefined, 'user.a', 'user.a']) await getxattr(b, loc, name);
  }),
  'rm zz/f': byLoc('f', (b, loc) => b.ours.subvolume.unlink(b.ours.frame, loc, 0, undefined)),
  'df /mnt/v': async (k, b) => {
    (await k.openDir('/')).unref();
    await statfs(k, b, '/');
  },
  'find zz': async (k, b) => {
    const fd = await k.openDir('');
    await statfs(k, b);
    await k.list(fd);
    const inner = await k.openDir('d');
    await k.list(inner);
    inner.unref();
    fd.unref();
  },
  // To /dev/null, tar reads no file.
  'tar cf - -C /mnt/v zz': async (k, b) => {
    const [fd, again] = [await k.openDir(''), await k.openDir('')];
    const shown = await k.list(again);
    const link = shown.find(({ name }) => name === 's');
    if (!link) throw new Error('no symlink is shown');
    await b.ours.subvolume.readlink(b.ours.frame, link, 4096, undefined);
    const inner = await k.openDir('d');
    await k.list(inner);
    for (const each of [inner, again, fd]) each.unref();
  },
  'flock zz/h true': async (k, b) => {
    const fd = await k.open(await k.loc('h'), OpenFlag.RDONLY);
    const frame = b.ours.frame.derive({ lk_owner: 'lk-owner' as Bytes });
    await b.ours.subvolume.lk(frame, fd, LkCmd.SETLKW, { type: LkType.WRLCK, whence: 0, start: 0n, len: 0n, pid: frame.pid, owner: frame.lk_owner }, undefined);
    await k.flush(fd);
    await k.close(fd);
  },
  'rm -rf zz': async (k, b) => {
    await statfs(k, b);
    const empty = async (path: string): Promise<void> => {
      const [fd, again] = [await k.openDir(path), await k.openDir(path)];
      const shown = await k.list(again);
      for (const loc of shown) {
        if (loc.inode.ia_type === IaType.DIR) {
          await empty(loc.name);
          await b.ours.subvolume.rmdir(b.ours.frame, loc, 0, undefined);
        } else await b.ours.subvolume.unlink(b.ours.frame, loc, 0, undefined);
      }
      for (const each of [again, fd]) each.unref();
    };
    await empty('');
  },
};

describe('fops that leave the default client graph', () => {
  let b: TwoClients;
  let k: Kernel;

  beforeEach(async () => {
    const stack = ['write-behind', 'open-behind', 'quick-read', 'md-cache', 'io-threads'].flatMap((name) => xlators.filter(({ type }) => type === `performance/${name}`));
    b = await twoClients(stack);
    k = new Kernel(b);
    // protocol/client brings an inode with each entry.
    const { inodeTable } = b.graph;
    b.gate.alter<ReaddirReply<Direntp>>('readdirp', (reply) => ({
      ...reply, entries: reply.entries.map((entry) => ({ ...entry, inode: entry.name === '.' || entry.name === '..' ? undefined : (inodeTable.find(entry.stat.ia_gfid) ?? inodeTable.create()) })),
    }));
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

  it('are known for every command of the vector', () => {
    expect(['touch zz/f', ...Object.keys(COMMANDS)].toSorted()).toEqual([...VECTOR.keys()].toSorted());
  });

  it.each(Object.entries(COMMANDS))('%s', async (command, run) => {
    await b.other.writeFile('/zz/f', Buffer.from('hello\n'));
    await b.other.setxattr('/zz/f', 'user.a', Buffer.from('b'));
    await b.other.writeFile('/zz/big', Buffer.alloc(command.includes('iflag') ? 1 << 20 : 10));
    // What earlier commands have made.
    if (!/^(mkdir|cp|ln)/.test(command)) {
      await b.other.mkdir('/zz/d');
      await b.other.writeFile('/zz/h', Buffer.from('hello\n'));
      await b.other.symlink('f', '/zz/s');
      await b.other.writeFile(command.startsWith('mv') ? '/zz/g' : '/zz/d/g', Buffer.from('hello\n'));
    }
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
