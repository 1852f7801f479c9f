// A process with one mount, for mount.test.ts, which bundles it and runs it in a mount namespace of its own. It is told what to do on
// stdin, a JSON object a line, and answers each on stdout.
import { createInterface } from 'node:readline';
import { Errno, Graph, type FuseDevice, GlusterLogger, LogLevel, type Platform, type StatedumpWriter, XlatorLoader, createPlatform, FOP_NAMES, type Subvolume } from '@glusterts/libglusterfs';
import { xlators as debug } from '@glusterts/xlator-debug';
import { xlators as memory } from '@glusterts/xlator-memory';
import { xlators as meta } from '@glusterts/xlator-meta';
import { xlators as perf } from '@glusterts/xlator-perf';
import { FuseMount, type FuseOptions } from '../src/index.js';

interface Setup {
  readonly options: Partial<FuseOptions> & { readonly mountpoint: string };
  readonly lruLimit?: number;
  readonly meta?: boolean;
  /** Serve only after the first `graph`. */
  readonly late?: boolean;
  /** The kernel doesn't know this notification, as one before Linux 6.18. */
  readonly unknownNotice?: number;
}

const setup: Setup = JSON.parse(process.argv[2] ?? '{}');
const made = createPlatform();
const { openFuseDevice } = made;
const { unknownNotice } = setup;
const platform: Platform = unknownNotice === undefined || !openFuseDevice ? made : { ...made, openFuseDevice: (...args) => refusing(openFuseDevice(...args), unknownNotice) };
const log = GlusterLogger.create('fuse', { sink: (line) => process.stderr.write(line), clock: platform.clock, level: LogLevel.INFO });
const loader = new XlatorLoader({ from: [] }).add(...memory, ...meta, ...debug, ...perf);
const MEMORY = 'volume brick\n type storage/memory\n option share one\nend-volume\n';
const STACK = ['performance/write-behind', 'performance/open-behind', 'performance/quick-read', 'performance/md-cache', 'performance/io-threads', 'debug/io-stats'];
/** `npm run test:switched`: between the mount and the brick stands what glusterd puts there by default, for it to be switched. */
const VOLFILE = process.env['GLUSTERTS_SWITCHED'] === undefined ? MEMORY : STACK.reduce((text, type, i) => `${text}volume x${i}\n type ${type}\n subvolumes ${i === 0 ? 'brick' : `x${i - 1}`}\nend-volume\n`, MEMORY);
const seen: Record<string, { count: number; largest: number; aligned: boolean }> = {};

/** A device that refuses notifications of one code. */
function refusing(device: FuseDevice, code: number): FuseDevice {
  const isRefused = (message: Uint8Array): boolean => Buffer.from(message.buffer, message.byteOffset).readInt32LE(4) === code;
  return {
    write: (chunks) => device.write(chunks),
    notify: async (messages) => (messages.some(isRefused) ? messages.map(() => -Errno.EINVAL) : await device.notify(messages)),
    pause: () => device.pause(),
    resume: () => device.resume(),
    close: () => device.close(),
  };
}

/** The graph's top, with what comes in noted. */
function noting(top: Subvolume): Subvolume {
  const noted: Record<string, unknown> = { xlator: top.xlator, name: top.name };
  for (const fop of FOP_NAMES) {
    noted[fop] = (...args: unknown[]): unknown => {
      const note = (seen[fop] ??= { count: 0, largest: 0, aligned: true });
      note.count++;
      const size = fop === 'readv' ? Number(args[2]) : fop === 'writev' ? (args[2] as { size: number }).size : 0;
      note.largest = Math.max(note.largest, size);
      if (fop === 'writev' && size > 16384) for (const chunk of (args[2] as { chunks: Uint8Array[] }).chunks) note.aligned &&= chunk.byteOffset % 4096 === 0;
      const call = top[fop] as (...given: unknown[]) => unknown;
      return call.apply(top, args);
    };
  }
  return noted as never;
}

const mount = FuseMount.mount(undefined, { fsname: 'host:vol', platform, log, ...setup.options });
let graph: Graph | undefined;

async function nextGraph(): Promise<void> {
  const next = await Graph.load(VOLFILE, { platform, loader, log, inodeTable: mount.inodeTable(setup.lruLimit), ...(setup.meta ? { autoload: ['meta'] } : {}) });
  await next.activate();
  const top = noting(next.topSubvolume);
  await mount.setGraph({
    id: next.id, platform, topSubvolume: top, inodeTable: next.inodeTable, callPool: next.callPool, newCtxSlot: () => next.newCtxSlot(), whenSettled: () => next.whenSettled(), onTopEvent: (listener) => next.onTopEvent(listener),
  });
  await graph?.fini();
  graph = next;
}

function statedump(): string[] {
  const lines: string[] = [];
  const writer: StatedumpWriter = { section: (title) => void lines.push(`[${title}]`), write: (key, value) => void lines.push(`${key}=${value}`) };
  mount.root.dump(writer);
  return lines;
}

function answer(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

if (!setup.late) await nextGraph();
answer({ ready: process.pid });
createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line) as { do: 'stats' | 'graph' | 'unmount' };
  const act = async (): Promise<unknown> => {
    if (command.do === 'graph') await nextGraph();
    if (command.do === 'unmount') await mount.unmount();
    return { active: platform.iobufs.active, ioSize: mount.ioSize, seen, dump: statedump(), inodes: graph?.inodeTable.size, lru: graph?.inodeTable.lruSize };
  };
  act().then(answer, (error: unknown) => answer({ error: String(error) }));
});
process.on('SIGTERM', () => void mount.unmount());
const end = await mount.done;
await graph?.fini();
answer({ end: end.reason, active: platform.iobufs.active });
process.exit(0);
