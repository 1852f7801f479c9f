import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  type Bytes, Dict, type DictValue, type Fd, FopError, Frame, type FrameInit, type Gfid, GfEvent, Graph, Iatt, IaType, type Inode, IoVec, Loc, type Logger, type Subvolume, XlatorLoader, createPlatform, errnoName, utf8,
} from '@glusterts/libglusterfs';
import { newGfid, volfile } from './brick-harness.js';

const platform = createPlatform();
const quiet: Logger = { level: 7, log: () => undefined, error: () => undefined, warning: () => undefined, info: () => undefined, debug: () => undefined, domain: () => quiet };

/** Why the real brick can't run here; undefined when it can. */
export function whyNoRealBrick(): string | undefined {
  if (process.getuid?.() !== 0) return 'bricks need root';
  if (spawnSync('glusterfsd', ['--version']).status !== 0) return 'the real glusterfsd is not installed';
  if (spawnSync('unshare', ['-mn', 'true']).status !== 0) return 'namespaces are not allowed';
  return undefined;
}

/** A graph, and the inodes and fds that the session has made in it. */
export class Side {
  readonly graph: Graph;
  readonly #inodes = new Map<string, Inode>();
  readonly #fds = new Map<string, Fd>();

  constructor(graph: Graph) {
    this.graph = graph;
    this.#inodes.set('/', graph.inodeTable.root);
  }

  get fops(): Subvolume {
    return this.graph.topSubvolume;
  }

  inode(at: string): Inode {
    return this.#inodes.get(at) ?? this.graph.inodeTable.create();
  }

  fd(at: string): Fd {
    const fd = this.#fds.get(at);
    if (!fd) throw new Error(`${at} is not open`);
    return fd;
  }

  /** @param fresh with an inode that the graph doesn't know */
  loc(at: string, fresh = false): Loc {
    if (at === '/') return new Loc({ inode: this.graph.inodeTable.root, path: '/' as Bytes });
    const cut = at.lastIndexOf('/');
    return new Loc({ inode: fresh ? this.graph.inodeTable.create() : this.inode(at), parent: this.inode(at.slice(0, cut) || '/'), name: utf8(at.slice(cut + 1)), path: utf8(at) });
  }

  made(at: string, loc: Loc, stat: Iatt, fd?: Fd): void {
    this.#inodes.set(at, this.graph.inodeTable.link(loc.inode, loc.parent, loc.name, stat).ref());
    if (fd) this.#fds.set(at, fd);
  }

  renamed(from: string, to: string): void {
    this.#inodes.set(to, this.inode(from));
    this.#inodes.delete(from);
  }
}

/** An answer as comparable JSON: without what is the backend's own (devices, directory sizes, cookies), recent times as "now". */
function show(value: unknown): unknown {
  if (value instanceof Iatt) return showIatt(value);
  if (value instanceof Dict) return Object.fromEntries(value.entries().map(([key, entry]) => [key, showValue(entry)]).sort());
  if (value instanceof IoVec) {
    const text = Buffer.from(value.toUint8Array()).toString('latin1');
    value.unref();
    return text;
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(show);
  if (typeof value === 'bigint') return String(value);
  if (value && typeof value === 'object') {
    const pairs = Object.entries(value).filter(([key, each]) => !['inode', 'fd', 'd_off', 'op_ret', 'op_errno'].includes(key) && each !== undefined);
    return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, each]) => [key, show(each)]));
  }
  return value;
}

function showValue(entry: DictValue): string {
  return `${entry.type}: ${JSON.stringify(show(entry.value))}`;
}

function showIatt(stat: Iatt): unknown {
  if (stat.isNull) return null;
  const now = Date.now() / 1000;
  const time = (sec: number, nsec: number): string => (Math.abs(sec - now) < 600 ? 'now' : `${sec}.${nsec}`);
  const directory = stat.ia_type === IaType.DIR;
  return {
    gfid: Buffer.from(stat.ia_gfid, 'latin1').toString('hex'), mode: stat.mode.toString(8), nlink: stat.ia_nlink, uid: stat.ia_uid, gid: stat.ia_gid, size: directory ? 0 : stat.ia_size,
    blocks: directory ? 0 : stat.ia_blocks, flags: stat.ia_flags, rdev: String(stat.ia_rdev), ino: String(stat.ia_ino), atime: time(stat.ia_atime, stat.ia_atime_nsec), mtime: time(stat.ia_mtime, stat.ia_mtime_nsec),
    ctime: time(stat.ia_ctime, stat.ia_ctime_nsec),
  };
}

/**
 * The real brick (posix, access-control, locks, server; reached through protocol/client over a unix socket) and ours (posix,
 * access-control, locks in a graph), given the same fops with the same gfids and times.
 */
export class SideBySide {
  readonly work: string;
  readonly dirs: readonly [string, string];
  readonly differences: { fop: string; real: unknown; ours: unknown }[] = [];
  fops = 0;
  readonly #gfids = new Map<string, Gfid>();
  #sides: Side[] = [];
  #daemon: ChildProcess | undefined;

  constructor() {
    this.work = mkdtempSync(path.join(os.tmpdir(), 'side-by-side-'));
    this.dirs = [path.join(this.work, 'real'), path.join(this.work, 'ours')];
  }

  async start(): Promise<this> {
    const [real, ours] = this.dirs;
    for (const dir of this.dirs) mkdirSync(path.join(dir, '.glusterfs'), { recursive: true, mode: 0o755 });
    const socket = path.join(this.work, 'socket');
    const layers = [{ type: 'features/access-control' }, { type: 'features/locks' }];
    const posix = (directory: string): { type: string; options: Record<string, string> } => ({ type: 'storage/posix', options: { directory, 'fips-mode-rchecksum': 'on' } });
    const server = { type: 'protocol/server', options: { 'transport-type': 'unix', 'transport.socket.listen-path': socket, 'auth.addr.v2.allow': '*', 'auth.login.v2.allow': 'test', 'auth.login.test.password': 'test' } };
    writeFileSync(path.join(this.work, 'real.vol'), volfile(posix(real), ...layers, server));
    this.#daemon = spawn('unshare', ['-mn', 'glusterfsd', '-N', '-f', path.join(this.work, 'real.vol'), '-l', path.join(this.work, 'log')], { stdio: 'ignore' });
    for (let i = 0; i < 200 && !existsSync(socket); i++) await new Promise((resolve) => setTimeout(resolve, 25));
    const options = { platform, log: quiet, inodeTable: { lruLimit: 0 } };
    const client = { type: 'protocol/client', options: { 'transport-type': 'unix', 'transport.socket.connect-path': socket, 'remote-subvolume': 'v2', 'send-gids': 'off', username: 'test', password: 'test' } };
    const theirs = await Graph.load(volfile(client), { ...options, loader: new XlatorLoader() });
    const up = new Promise<void>((resolve) => theirs.onTopEvent((event) => {
      if (event === GfEvent.CHILD_UP) resolve();
    }));
    await theirs.activate();
    await up;
    const our = await Graph.load(volfile(posix(ours), ...layers), { ...options, loader: new XlatorLoader() });
    await our.activate();
    this.#sides = [new Side(theirs), new Side(our)];
    return this;
  }

  async stop(): Promise<void> {
    for (const { graph } of this.#sides) await graph.fini();
    this.#daemon?.kill();
    rmSync(this.work, { recursive: true, force: true });
  }

  /** The same frame for both sides, with a time of its own for each fop. */
  frame(init: FrameInit = {}): Frame {
    return new Frame({ pid: 1000, lk_owner: '\0\0\0\0\0\0\0\x01' as Bytes, flags: 0x3f, ctime: 1600000000 + this.fops, ctime_nsec: 7, ...init });
  }

  gfid(at: string): Gfid {
    let gfid = this.#gfids.get(at);
    if (!gfid) this.#gfids.set(at, (gfid = newGfid()));
    return gfid;
  }

  /** xdata of a creation. */
  request(at: string, extra: (dict: Dict) => void = () => undefined): Dict {
    const dict = new Dict().setGfid('gfid-req', this.gfid(at));
    extra(dict);
    return dict;
  }

  /** Runs a fop on both, and notes a difference. */
  async both(fop: string, run: (side: Side) => Promise<unknown>): Promise<void> {
    this.fops++;
    const answers: unknown[] = [];
    for (const side of this.#sides) {
      try {
        answers.push(show(await run(side)));
      } catch (error) {
        if (!(error instanceof FopError)) throw error;
        answers.push(errnoName(error.errno));
      }
    }
    const [real, ours] = answers;
    if (JSON.stringify(real) !== JSON.stringify(ours)) this.differences.push({ fop, real, ours });
  }
}
