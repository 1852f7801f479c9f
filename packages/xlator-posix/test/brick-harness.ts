import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  type Bytes, Dict, Fd, Frame, type FrameInit, type GfEvent, type Gfid, Graph, type Iatt, type Inode, type InodeTable, Loc, type Logger, type StatedumpWriter, type Subvolume, type Xdata, type Xlator,
  XlatorLoader, createPlatform, localStorage, utf8,
} from '@glusterts/libglusterfs';
import { Posix, xlators } from '../src/index.js';

/** Why tests on real bricks can't run here; undefined when they can. */
export function whyNot(): string | undefined {
  if (!localStorage().available) return 'the native addon is not built (node tools/build-native.mjs)';
  if (process.getuid?.() !== 0) return 'trusted.* xattrs need root';
  return undefined;
}

const quiet: Logger = {
  level: 7,
  log: (level, msgid, text, fields) => {
    if (process.env.TEST_LOG) console.error(level, msgid, text, fields ?? '');
  },
  error: (msgid, text, fields) => quiet.log(4, msgid, text, fields),
  warning: (msgid, text, fields) => quiet.log(5, msgid, text, fields),
  info: (msgid, text, fields) => quiet.log(7, msgid, text, fields),
  debug: () => undefined,
  domain: () => quiet,
};

export function newGfid(): Gfid {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString('latin1') as Gfid;
}

const platform = createPlatform();

/** A volfile's text: one volume over the other, the first at the bottom. */
export function volfile(...volumes: readonly { type: string; options?: Readonly<Record<string, string>> }[]): string {
  return volumes
    .map(({ type, options = {} }, i) => {
      const lines = Object.entries(options).map(([key, value]) => `    option ${key} ${value}`);
      if (lines.length === 0 && i === 0) throw new Error('a volume needs an option or a subvolume');
      if (i > 0) lines.push(`    subvolumes v${i - 1}`);
      return [`volume v${i}`, `    type ${type}`, ...lines, 'end-volume'].join('\n');
    })
    .join('\n\n');
}

/** A graph with storage/posix at its bottom; does what protocol/server does around a brick's fops. */
export class TestBrick {
  readonly dir: string;
  readonly #text: string;
  readonly platform = platform;
  readonly events: GfEvent[] = [];
  #graph: Graph | undefined;

  /** @param above the xlators over posix */
  constructor(options: Readonly<Record<string, string>> = {}, dir = mkdtempSync(path.join(os.tmpdir(), 'posix-brick-')), above: readonly { type: string; options?: Readonly<Record<string, string>> }[] = []) {
    this.dir = dir;
    this.#text = volfile({ type: 'storage/posix', options: { directory: dir, 'health-check-interval': '0', ...options } }, ...above);
  }

  async start(): Promise<this> {
    const graph = await Graph.load(this.#text, { platform, loader: new XlatorLoader().add(...xlators), log: quiet, inodeTable: { lruLimit: 0 } });
    graph.onTopEvent((event) => this.events.push(event));
    await graph.activate();
    this.#graph = graph;
    return this;
  }

  async stop(): Promise<void> {
    await this.#graph?.fini();
    this.#graph = undefined;
    rmSync(this.dir, { recursive: true, force: true });
  }

  get graph(): Graph {
    if (!this.#graph) throw new Error('the brick is not started');
    return this.#graph;
  }

  get posix(): Posix {
    const bottom = this.graph.xlators.find((xlator) => xlator instanceof Posix);
    if (!bottom) throw new Error('no posix');
    return bottom;
  }

  get table(): InodeTable {
    return this.graph.inodeTable;
  }

  get root(): Inode {
    return this.table.root;
  }

  frame(init: FrameInit = {}): Frame {
    return new Frame({ uid: 0, gid: 0, ...init });
  }

  /** The location of a volume path; the inodes on the way are looked up. */
  async loc(volumePath: string, xdata?: Xdata): Promise<Loc> {
    let at = this.root;
    const names = volumePath.split('/').filter((name) => name !== '');
    if (names.length === 0) return new Loc({ inode: at, path: '/' as Bytes });
    for (const [i, text] of names.entries()) {
      const name = utf8(text);
      const loc = new Loc({ inode: this.table.grep(at, name) ?? this.table.create(), parent: at, name });
      if (i === names.length - 1) return loc;
      at = loc.inode.gfid === at.gfid ? loc.inode : await this.walk(loc, xdata);
    }
    throw new Error('unreachable');
  }

  private async walk(loc: Loc, xdata: Xdata): Promise<Inode> {
    const reply = await this.fops.lookup(this.frame(), loc, xdata);
    return this.table.link(loc.inode, loc.parent, loc.name, reply.stat).ref();
  }

  get fops(): Subvolume {
    return this.graph.topSubvolume;
  }

  /** The location of something that exists, its inode linked. */
  async find(volumePath: string): Promise<Loc> {
    const loc = await this.loc(volumePath);
    if (loc.inode.isRoot) return loc;
    const reply = await this.fops.lookup(this.frame(), loc, undefined);
    loc.inode = this.table.link(loc.inode, loc.parent, loc.name, reply.stat).ref();
    loc.gfid = loc.inode.gfid;
    return loc;
  }

  request(extra?: (dict: Dict) => void): { gfid: Gfid; xdata: Dict } {
    const gfid = newGfid();
    const xdata = new Dict().setGfid('gfid-req', gfid);
    extra?.(xdata);
    return { gfid, xdata };
  }

  private link(loc: Loc, stat: Iatt): Loc {
    loc.inode = this.table.link(loc.inode, loc.parent, loc.name, stat).ref();
    loc.gfid = loc.inode.gfid;
    return loc;
  }

  async mkdir(volumePath: string, mode = 0o755, frame = this.frame(), xdata = this.request().xdata): Promise<Loc> {
    const loc = await this.loc(volumePath);
    return this.link(loc, (await this.fops.mkdir(frame, loc, mode, 0, xdata)).stat);
  }

  async create(volumePath: string, mode = 0o644, frame = this.frame(), xdata = this.request().xdata, flags = 0o302): Promise<{ loc: Loc; fd: Fd }> {
    const loc = await this.loc(volumePath);
    const fd = new Fd(loc.inode, { flags });
    const reply = await this.fops.create(frame, loc, flags, mode, 0, fd, xdata);
    return { loc: this.link(loc, reply.stat), fd };
  }

  async open(volumePath: string, flags = 2): Promise<Fd> {
    const loc = await this.find(volumePath);
    const fd = new Fd(loc.inode, { flags });
    await this.fops.open(this.frame(), loc, flags, fd, undefined);
    return fd;
  }

  async opendir(volumePath: string): Promise<Fd> {
    const loc = await this.find(volumePath);
    const fd = new Fd(loc.inode);
    await this.fops.opendir(this.frame(), loc, fd, undefined);
    return fd;
  }

  async unlink(volumePath: string, xdata?: Dict): Promise<Dict | undefined> {
    const loc = await this.find(volumePath);
    const reply = await this.fops.unlink(this.frame(), loc, 0, xdata);
    if (loc.parent) this.table.unlink(loc.inode, loc.parent, loc.name);
    return reply.xdata;
  }

  async rename(from: string, to: string, frame = this.frame()): Promise<void> {
    const old = await this.find(from);
    let target = await this.loc(to);
    try {
      target = await this.find(to);
    } catch {
      // Nothing is there yet.
    }
    const reply = await this.fops.rename(frame, old, target, undefined);
    if (old.parent && target.parent) this.table.rename(old.parent, old.name, target.parent, target.name, old.inode, reply.stat);
  }

  /** The backend's path of a volume path. */
  backend(volumePath: string): string {
    return path.join(this.dir, volumePath);
  }

  /** An xattr on disk, through getfattr: hex, or undefined. */
  onDisk(volumePath: string, name: string): string | undefined {
    const value = localStorage().lgetxattr(utf8(this.backend(volumePath)), utf8(name));
    return typeof value === 'number' ? undefined : Buffer.from(value).toString('hex');
  }

  names(volumePath: string): string[] {
    const names = localStorage().llistxattr(utf8(this.backend(volumePath)));
    return typeof names === 'number' ? [] : names.sort();
  }
}

/** A command's output. */
export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' });
}

/** Lines of a statedump. */
export function dumped(xlator: Xlator): string[] {
  const lines: string[] = [];
  const writer: StatedumpWriter = { section: (title) => void lines.push(`[${title}]`), write: (key, value) => void lines.push(`${key}=${value}`) };
  xlator.dump(writer);
  return lines;
}
