import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Bytes, type CreateReply, Dict, FOP_NAMES, type Flock, Frame, GfEvent, type Graph, LkType, type Platform, type Upcall, Xlator, type XlatorContext, type XlatorDefinition, localStorage } from '@glusterts/libglusterfs';
import { xlators as client } from '@glusterts/xlator-client';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as dht } from '@glusterts/xlator-dht';
import { xlators as index } from '@glusterts/xlator-index';
import { xlators as locks } from '@glusterts/xlator-locks';
import { xlators as posix } from '@glusterts/xlator-posix';
import { xlators as server } from '@glusterts/xlator-server';
import { xlators as utime } from '@glusterts/xlator-utime';
import { xlators as disperse } from '../src/index.js';

/** Why volumes on real disks can't be had here; undefined when they can. */
export function whyNot(): string | undefined {
  if (!localStorage().available) return 'the native addon is not built (node tools/build-native.mjs)';
  if (process.getuid?.() !== 0) return 'trusted.* xattrs need root';
  return undefined;
}

type AnyFop = (...args: readonly unknown[]) => Promise<unknown>;

/** Between disperse and one brick's protocol/client: counts fops, and can hold one back or lose it. */
export class Tap extends Xlator {
  static readonly all = new Map<string, Tap>();
  /** Fops sent, in order. */
  readonly sent: string[] = [];
  /** Inodelks that the client holds on the brick. */
  held = 0;
  /** Hears what the brick tells of its own accord. */
  told: ((upcall: Upcall) => void) | undefined;
  /** Called before a fop is sent; may wait, may throw. */
  before: ((fop: string, args: readonly unknown[]) => Promise<void> | undefined) | undefined;
  /** Xdata keys that the brick is not told of, as if it didn't know them. */
  hidden: readonly string[];

  constructor(context: XlatorContext) {
    super(context);
    this.hidden = context.options.text('hide')?.split(' ') ?? [];
    Tap.all.set(`${context.options.text('note') ?? ''}/${context.name}`, this);
    for (const fop of FOP_NAMES) {
      const carry: AnyFop = async (...args) => {
        this.sent.push(fop);
        await this.before?.(fop, args);
        const known = this.hidden.length === 0 ? args : args.map((arg, i) => (i === args.length - 1 && arg instanceof Dict ? without(arg, this.hidden) : arg));
        const reply = await (this.child[fop] as AnyFop)(...known);
        if (fop === 'inodelk') this.held += (args[4] as Flock).type === LkType.UNLCK ? -1 - othersOf(args[5]) : 1;
        // The lock of a new file comes with its creation.
        if (fop === 'create' && (reply as CreateReply).xdata?.getNumber('glusterts.along') === 0) this.held++;
        return reply;
      };
      Object.defineProperty(this, fop, { value: carry });
    }
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (isUpcall(event, data)) this.told?.(data);
    super.notify(event, data, from);
  }
}

/** Locks that go back with the one that an INODELK names. */
const othersOf = (xdata: unknown): number => (xdata instanceof Dict ? (xdata.getBin('glusterts.unlock-also')?.length ?? 0) / 24 : 0);

const isUpcall = (event: GfEvent, _data: unknown): _data is Upcall => event === GfEvent.UPCALL;

function without(dict: Dict, keys: readonly string[]): Dict {
  const rest = dict.clone();
  for (const key of keys) rest.delete(key);
  return rest;
}

const tap: XlatorDefinition = { type: 'test/tap', options: [{ key: 'note', type: 'str' }, { key: 'hide', type: 'str' }], create: (context) => new Tap(context) };

/** One user of a volume. */
export interface Client {
  readonly driver: GraphDriver;
  readonly graph: Graph;
  readonly taps: readonly Tap[];
  /** Fops sent to all bricks while `run` ran, by name. */
  counted(run: () => Promise<unknown>): Promise<Record<string, number>>;
}

export interface ServedOptions {
  /** Of the volume; its xlators are `NAME-disperse-0` and `NAME-dht`. */
  readonly name?: string;
  /** cluster/distribute stands above disperse, as in every volume that glusterd makes. */
  readonly distribute?: boolean;
  /** Xdata keys that no brick is told of. */
  readonly hidden?: readonly string[];
  /** Bricks tell who holds a lock that others want it; default true. */
  readonly notifies?: boolean;
}

/** Six bricks, each with locks, index and posix behind protocol/server, and any number of clients, all in this process over sockets. */
export class ServedVolume {
  readonly #dir = mkdtempSync(path.join(os.tmpdir(), 'ec-served-'));
  readonly #bricks: (Graph | undefined)[] = [];
  readonly #clients: Client[] = [];
  readonly #redundancy: number;
  readonly #options: ServedOptions;

  private constructor(redundancy: number, options: ServedOptions) {
    this.#redundancy = redundancy;
    this.#options = options;
  }

  static async start(bricks = 6, redundancy = 2, options: ServedOptions = {}): Promise<ServedVolume> {
    const volume = new ServedVolume(redundancy, options);
    for (let brick = 0; brick < bricks; brick++) {
      execFileSync('mkdir', ['-p', path.join(volume.disk(brick), '.glusterfs/indices')]);
      // A brick in this process has set its umask.
      chmodSync(volume.disk(brick), 0o755);
      volume.#bricks.push(undefined);
      await volume.startBrick(brick);
    }
    return volume;
  }

  disk(brick: number): string {
    return path.join(this.#dir, `b${brick}`);
  }

  async startBrick(brick: number): Promise<void> {
    const text = `volume posix\n type storage/posix\n option directory ${this.disk(brick)}\n option health-check-interval 0\nend-volume
volume locks\n type features/locks\n option notify-contention ${this.#options.notifies === false ? 'off' : 'on'}\n subvolumes posix\nend-volume
volume index\n type features/index\n option index-base ${this.disk(brick)}/.glusterfs/indices\n option xattrop64-watchlist trusted.ec.dirty\n subvolumes locks\nend-volume
volume brick\n type test/tap\n option note b${brick}\n subvolumes index\nend-volume
volume server\n type protocol/server\n option transport.socket.listen-path ${this.#dir}/s${brick}\n option auth.addr.brick.allow *\n subvolumes brick\nend-volume\n`;
    this.#bricks[brick] = await testGraph(text, [...posix, ...locks, ...index, ...server, tap]);
  }

  /** The brick's process ends; its disk stays. */
  async stopBrick(brick: number): Promise<void> {
    await this.#bricks[brick]?.fini();
    this.#bricks[brick] = undefined;
    rmSync(path.join(this.#dir, `s${brick}`), { force: true });
  }

  async client(options: readonly string[] = [], platform?: Platform): Promise<Client> {
    const note = `c${this.#clients.length}`;
    const { hidden = [] } = this.#options;
    const hide = hidden.length > 0 ? ` option hide "${hidden.join(' ')}"\n` : '';
    const parts = this.#bricks.map((_, i) => `volume client-${i}\n type protocol/client\n option remote-subvolume brick\n option transport.socket.connect-path ${this.#dir}/s${i}\nend-volume\nvolume tap-${i}\n type test/tap\n option note ${note}\n${hide} subvolumes client-${i}\nend-volume\n`);
    const { name = 'v', distribute = false } = this.#options;
    const text = `${parts.join('')}volume ${name}-disperse-0\n type cluster/disperse\n option redundancy ${this.#redundancy}\n${options.map((line) => ` option ${line}\n`).join('')} subvolumes ${parts.map((_, i) => `tap-${i}`).join(' ')}\nend-volume\n${distribute ? `volume ${name}-dht\n type cluster/distribute\n subvolumes ${name}-disperse-0\nend-volume\n` : ''}volume utime\n type features/utime\n option noatime on\n subvolumes ${name}-${distribute ? 'dht' : 'disperse-0'}\nend-volume\n`;
    const graph = await testGraph(text, [...client, ...disperse, ...dht, ...utime, tap], platform ? { platform } : {});
    const owner = Buffer.from(`${note}owner..`.slice(0, 8)).toString('latin1') as Bytes;
    const driver = new GraphDriver(graph.topSubvolume, graph, new Frame({ pid: 1000 + this.#clients.length, lk_owner: owner }));
    await driver.root();
    const taps = this.#bricks.map((_, i) => {
      const found = Tap.all.get(`${note}/tap-${i}`);
      if (!found) throw new Error(`no tap ${i}`);
      return found;
    });
    const made: Client = {
      driver, graph, taps,
      counted: async (run) => {
        for (const each of taps) each.sent.length = 0;
        await run();
        const counts: Record<string, number> = {};
        for (const each of taps) for (const fop of each.sent) counts[fop] = (counts[fop] ?? 0) + 1;
        return counts;
      },
    };
    this.#clients.push(made);
    return made;
  }

  /** `trusted.ec.*` of a path on every brick, in hex. */
  xattrs(name: string): Record<string, string>[] {
    return this.#bricks.map((_, brick) => {
      const text = execFileSync('getfattr', ['-h', '-d', '-m', 'trusted.ec', '-e', 'hex', '--absolute-names', path.join(this.disk(brick), name)], { encoding: 'utf8' });
      return Object.fromEntries([...text.matchAll(/^trusted\.ec\.(\w+)=0x(\w+)$/gm)].map(([, key, value]) => [key ?? '', value ?? '']));
    });
  }

  /** Names in the bricks' indices of what may need healing. */
  indexed(): string[] {
    return this.#bricks.flatMap((_, brick) => execFileSync('ls', [path.join(this.disk(brick), '.glusterfs/indices/xattrop')], { encoding: 'utf8' }).split('\n').filter((name) => name !== '' && !name.startsWith('xattrop-')));
  }

  async stop(): Promise<void> {
    for (const { graph } of this.#clients) await graph.fini();
    for (const brick of this.#bricks) await brick?.fini();
    Tap.all.clear();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
