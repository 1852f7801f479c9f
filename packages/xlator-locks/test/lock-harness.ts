import {
  type Bytes, type Client, Dict, Fd, type Flock, Frame, type FrameInit, GfEvent, type Gfid, Graph, type LkType, Loc, type Logger, type Upcall, XlatorLoader, createPlatform, gfidRead, utf8,
} from '@glusterts/libglusterfs';
import { Locks, xlators } from '../src/index.js';

const platform = createPlatform();
const quiet: Logger = { level: 7, log: () => undefined, error: () => undefined, warning: () => undefined, info: () => undefined, debug: () => undefined, domain: () => quiet };

export function testClient(uid: string): Client {
  return { uid, ctx: new Map(), callback: () => undefined };
}

export function owner(number: number): Bytes {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt8(number, 7);
  return bytes.toString('latin1') as Bytes;
}

export function flock(type: LkType, start: number | bigint = 0, len: number | bigint = 0, pid = 1000): Flock {
  return { type, whence: 0, start: BigInt(start), len: BigInt(len), pid, owner: '' as Bytes };
}

/** features/locks over storage/memory, with one directory and one file in it. */
export class LockBrick {
  readonly graph: Graph;
  readonly upcalls: Upcall[] = [];
  readonly directory: Loc;
  readonly file: Loc;
  readonly fd: Fd;

  private constructor(graph: Graph, directory: Loc, file: Loc, fd: Fd) {
    this.graph = graph;
    this.directory = directory;
    this.file = file;
    this.fd = fd;
    graph.onTopEvent((event, data) => {
      if (event === GfEvent.UPCALL) this.upcalls.push(data as Upcall);
    });
  }

  static async start(options: Readonly<Record<string, string>> = {}): Promise<LockBrick> {
    const lines = Object.entries(options).map(([key, value]) => `option ${key} ${value}\n`);
    const text = `volume disk\ntype storage/memory\noption size 1GB\nend-volume\nvolume locks\ntype features/locks\n${lines.join('')}subvolumes disk\nend-volume\n`;
    const graph = await Graph.load(text, { platform, loader: new XlatorLoader().add(...xlators), log: quiet, inodeTable: { lruLimit: 0 } });
    await graph.activate();
    const root = graph.inodeTable.root;
    const directory = new Loc({ inode: graph.inodeTable.create(), parent: root, name: utf8('wd') });
    const made = await graph.topSubvolume.mkdir(new Frame(), directory, 0o755, 0, new Dict().setGfid('gfid-req', gfid(1)));
    directory.inode = graph.inodeTable.link(directory.inode, root, directory.name, made.stat).ref();
    const file = new Loc({ inode: graph.inodeTable.create(), parent: directory.inode, name: utf8('f') });
    const fd = new Fd(file.inode, { flags: 2 });
    const created = await graph.topSubvolume.create(new Frame(), file, 0o302, 0o644, 0, fd, new Dict().setGfid('gfid-req', gfid(2)));
    file.inode = graph.inodeTable.link(file.inode, directory.inode, file.name, created.stat).ref();
    return new LockBrick(graph, directory, file, fd);
  }

  get fops(): Graph['topSubvolume'] {
    return this.graph.topSubvolume;
  }

  get locks(): Locks {
    const { top } = this.graph;
    if (!(top instanceof Locks)) throw new Error('the top is not features/locks');
    return top;
  }

  frame(client: Client, lkOwner: number, init: FrameInit = {}): Frame {
    return new Frame({ client, lk_owner: owner(lkOwner), pid: 1000, ...init });
  }
}

function gfid(number: number): Gfid {
  const bytes = Buffer.from('aaaaaaaabbbbccccdddd000000000000', 'hex');
  bytes[15] = number;
  return gfidRead(bytes);
}

/** Whether a promise has settled by the time everything that could settle it now has run. */
export async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  for (let i = 0; i < 20; i++) await Promise.resolve();
  return done;
}
