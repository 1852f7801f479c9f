// Replays a trace in the bridge, on a volume's client graph; replay.ts bundles it and runs it on the volume's host. What to do
// is JSON in argv; what came of it is JSON on stdout.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Errno, type FuseDevice, GfEvent, GlusterLogger, Graph, LogLevel, type Platform, XlatorLoader, createPlatform } from '@glusterts/libglusterfs';
import { xlators as accessControl } from '@glusterts/xlator-access-control';
import { xlators as client } from '@glusterts/xlator-client';
import { xlators as debug } from '@glusterts/xlator-debug';
import { xlators as dht } from '@glusterts/xlator-dht';
import { xlators as meta } from '@glusterts/xlator-meta';
import { xlators as performance } from '@glusterts/xlator-perf';
import { xlators as utime } from '@glusterts/xlator-utime';
import { ActiveGraph } from '../../../../packages/fuse-bridge/src/active-graph.ts';
import { FuseBridge } from '../../../../packages/fuse-bridge/src/bridge.ts';
import { switchGraph } from '../../../../packages/fuse-bridge/src/graph-switch.ts';
import { fuseOptions } from '../../../../packages/fuse-bridge/src/options.ts';
import type { Compared, ReplayJob } from './replay.ts';
import { type Asked, comparable, lastOffset, replyText } from './replies.ts';
import { UNKNOWN_OPCODE, encodeRequest, message } from './requests.ts';
import { Names, type TraceSection, Words, parseTrace } from './trace-file.ts';

/** The traces were taken with so long a pause before each command that no cache of the client still held. */
const PAUSE_MS = 1600;
/** Then an answer won't come any more. */
const ANSWER_LIMIT_MS = 60_000;
const NO_ANSWER = 'no answer';
/** `u::rwx,u:1000:rwx,g::r-x,m::rwx,o::r-x`, and `u::rw-,g::r--,o::r--`, as the kernel writes ACLs. */
const ACLS: ReadonlyMap<number, Buffer> = new Map([
  [44, Buffer.from('0200000001000700ffffffff02000700e803000004000500ffffffff10000700ffffffff20000500ffffffff', 'hex')],
  [28, Buffer.from('0200000001000600ffffffff04000400ffffffff20000400ffffffff', 'hex')],
]);

interface Sent extends Asked {
  readonly unique: number;
}

class Replay {
  readonly #job: ReplayJob;
  readonly #names = new Names();
  readonly #bridge: FuseBridge;
  readonly #graph: Graph;
  readonly #skipTime: (ms: number) => void;
  /** Requests that have no answer in the trace yet. */
  readonly #open: Sent[] = [];
  readonly #replies = new Map<number, Buffer>();
  readonly #notices: Buffer[] = [];
  #arrived: () => void = () => undefined;
  #unique = 0;
  #interrupt: { readonly unique: number; readonly request: Buffer } | undefined;
  #directoryOffset = 0n;

  private constructor(job: ReplayJob, bridge: FuseBridge, graph: Graph, skipTime: (ms: number) => void) {
    this.#job = job;
    this.#bridge = bridge;
    this.#graph = graph;
    this.#skipTime = skipTime;
    bridge.attach(this.#device());
  }

  static async start(job: ReplayJob): Promise<Replay> {
    const real = createPlatform();
    let skipped = 0;
    const { clock } = real;
    const platform: Platform = {
      ...real,
      clock: {
        wall: () => clock.wall() + skipped,
        monotonic: () => clock.monotonic() + skipped,
        realtime: () => {
          const { sec, nsec } = clock.realtime();
          const total = nsec + (skipped % 1000) * 1e6;
          return { sec: sec + Math.floor(skipped / 1000) + Math.floor(total / 1e9), nsec: total % 1e9 };
        },
      },
    };
    const log = GlusterLogger.create('fuse', { sink: (line) => process.stderr.write(line), clock: platform.clock, level: LogLevel.WARNING });
    const bridge = new FuseBridge(platform, fuseOptions({ mountpoint: '/mnt/t', ...job.options }), log, (reason) => {
      throw new Error(reason);
    });
    const loader = new XlatorLoader({ from: [] }).add(...accessControl, ...client, ...debug, ...dht, ...meta, ...performance, ...utime);
    const graph = await Graph.load(readFileSync(job.volfile, 'latin1'), {
      platform, loader, log, autoload: [...(job.options.acl ? ['system/posix-acl'] : []), 'meta'],
      root: { name: 'fuse', type: 'mount/fuse', shownOptions: new Map(), dump: (writer) => bridge.dump(writer, -1) },
      inodeTable: { lruLimit: 65536, invalidate: (inode) => bridge.invalidator.entries(inode) },
    });
    graph.onInvalidate((inode) => void bridge.invalidator.inode(inode));
    await graph.activate();
    await graph.whenSettled();
    await switchGraph(bridge, new ActiveGraph(graph, true));
    return new Replay(job, bridge, graph, (ms) => (skipped += ms));
  }

  #device(): FuseDevice {
    const nothing = (): void => undefined;
    const keep = (bytes: Buffer): void => {
      const unique = Number(bytes.readBigUInt64LE(8));
      if (unique === 0) this.#notices.push(bytes);
      // EAGAIN: the request that it is for is not there yet, and the kernel asks again.
      else if (unique === this.#interrupt?.unique) this.#bridge.receive(this.#interrupt.request, undefined);
      else this.#replies.set(unique, bytes);
      this.#arrived();
    };
    return {
      write: (chunks) => {
        keep(Buffer.concat(chunks));
        return 0;
      },
      notify: (notices) => {
        for (const notice of notices) keep(Buffer.from(notice));
        return Promise.resolve(notices.map(() => -Errno.ENOENT));
      },
      pause: nothing, resume: nothing, close: nothing,
    };
  }

  /** undefined: it did not come. */
  async #until<T>(found: () => T | undefined): Promise<T | undefined> {
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      this.#arrived();
    }, ANSWER_LIMIT_MS);
    let value = found();
    while (value === undefined && !late) {
      await new Promise<void>((resolve) => (this.#arrived = resolve));
      value = found();
    }
    clearTimeout(limit);
    return value;
  }

  async section(section: TraceSection, index: number): Promise<Compared> {
    const before = this.#job.before[index];
    if (before) {
      const event = before.awaits === 'down' ? GfEvent.CHILD_DOWN : GfEvent.CHILD_UP;
      const told = new Promise<void>((resolve) => this.#graph.onTopEvent((each) => each === event && resolve()));
      execFileSync('bash', ['-c', before.run], { stdio: ['ignore', 'ignore', 'inherit'] });
      await told;
    }
    this.#skipTime(PAUSE_MS);
    const expected: string[] = [];
    const actual: string[] = [];
    for (const line of section.lines) {
      const wanted = `${line.arrow} ${line.op} ${comparable(line.op, line.rest)}`;
      expected.push(wanted);
      if (line.arrow === '->') {
        this.#send(section, line.op, line.rest);
        actual.push(wanted);
      } else if (line.arrow === '<-') actual.push(`<- ${line.op} ${comparable(line.op, await this.#answer(line.op, line.rest))}`);
      else {
        const notice = await this.#until(() => this.#notices.shift());
        actual.push(notice ? `!! ${this.#noticeText(notice)}` : NO_ANSWER);
      }
    }
    // What nobody asked for would come now.
    await new Promise((resolve) => setImmediate(resolve));
    for (const notice of this.#notices.splice(0)) actual.push(`!! ${this.#noticeText(notice)}`);
    return { title: section.title, expected, actual };
  }

  #send(section: TraceSection, op: string, rest: string): void {
    const unique = ++this.#unique;
    const words = new Words(rest);
    const interrupted = this.#open.find((sent) => sent.op === 'SETLKW')?.unique ?? 0;
    const request = encodeRequest({ arrow: '->', op, rest }, unique, this.#names, {
      xattr: (name, size) => xattrValue(section.title, name, size),
      interrupted: () => interrupted,
      directoryOffset: (traced) => (traced === 0n ? 0n : this.#directoryOffset),
    });
    if (op === 'FORGET') this.#names.forget(words.text('node') ?? '');
    else if (op === 'INTERRUPT') this.#interrupt = { unique, request };
    else this.#open.push({ op, size: words.number('size'), unique });
    this.#bridge.receive(request, undefined);
  }

  async #answer(op: string, expected: string): Promise<string> {
    // Of a request that is too new for 10.3 the trace has the answer alone.
    if (op === '0') {
      const unique = ++this.#unique;
      this.#open.push({ op, size: 0, unique });
      this.#bridge.receive(message(UNKNOWN_OPCODE, unique, 1n, Buffer.alloc(48)), undefined);
    }
    const index = this.#open.findIndex((sent) => sent.op === op);
    const [sent] = this.#open.splice(index, 1);
    if (index < 0 || !sent) return 'no such request';
    const reply = await this.#until(() => this.#replies.get(sent.unique));
    if (!reply) return NO_ANSWER;
    this.#replies.delete(sent.unique);
    if (op === 'READDIRPLUS' && reply.readInt32LE(4) === 0) this.#directoryOffset = lastOffset(reply) ?? this.#directoryOffset;
    return replyText(sent, reply, this.#names, expected);
  }

  #noticeText(notice: Buffer): string {
    const body = notice.subarray(16);
    const node = this.#names.nodeName(body.readBigUInt64LE(0), undefined);
    return notice.readInt32LE(4) === 2
      ? `INVAL_INODE node=${node} off=${body.readBigInt64LE(8)} len=${body.readBigInt64LE(16)}`
      : `INVAL_ENTRY parent=${node} name='${body.toString('latin1', 16, 16 + body.readUInt32LE(8))}'`;
  }
}

/** What the command sets: behind its `-v`, or an ACL. */
function xattrValue(title: string, name: string, size: number): Buffer {
  const value = name.startsWith('system.posix_acl') ? ACLS.get(size) : Buffer.from(/ -v (\S+)/.exec(title)?.[1] ?? '', 'latin1');
  if (value?.length === size) return value;
  return Buffer.alloc(size, 'a');
}

const job: ReplayJob = JSON.parse(process.argv[2] ?? '{}');
const replay = await Replay.start(job);
const compared: Compared[] = [];
for (const [index, section] of parseTrace(readFileSync(job.trace, 'latin1')).entries()) {
  compared.push(await replay.section(section, index));
}
process.stdout.write(JSON.stringify(compared), () => process.exit(0));
