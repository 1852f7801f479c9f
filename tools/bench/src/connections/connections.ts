/** `npm run bench -- connections`: what many idle connections cost a brick, and whether one busy client notices them. */
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { type Interface, createInterface } from 'node:readline';
import type { Host } from '../host.js';
import { median } from '../statistics.js';
import { type Side, root, startVolume } from '../volume.js';

export interface BusyResult {
  readonly medianUs: number;
  readonly p99Us: number;
  readonly perSecond: number;
}

export interface ConnectionsResult {
  readonly side: Side;
  readonly connections: number;
  readonly openedPerSecond: number;
  /** Resident memory of the brick's process without connections, with half of them, with all. */
  readonly rssMiB: readonly [number, number, number];
  /** By connection: over all of them, or over the second half, when a heap that was larger than its contents is full, whichever is more. */
  readonly rssKiBEach: number;
  readonly before: BusyResult;
  readonly during: BusyResult;
}

interface Opened {
  readonly open: number;
  readonly seconds: number;
}

/** The process with the clients, on the brick's host. */
class Clients {
  readonly #process: ChildProcess;
  readonly #lines: Interface;

  constructor(host: Host) {
    this.#process = host.spawn(`exec ${process.execPath} --max-old-space-size=8192 ${path.join(root, 'tools/bench/dist/connection-client.js')}`);
    if (!this.#process.stdout) throw new Error('no pipe from the clients');
    this.#lines = createInterface({ input: this.#process.stdout });
  }

  async ask<Answer>(command: string): Promise<Answer> {
    this.#process.stdin?.write(`${command}\n`);
    const [line] = await once(this.#lines, 'line');
    const answer: Answer & { error?: string } = JSON.parse(String(line));
    if (answer.error !== undefined) throw new Error(`${command}: ${answer.error}`);
    return answer;
  }

  async end(): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#process.stdin?.end();
    await gone;
  }
}

const BUSY_SECONDS = 2;
const TURNS = 3;
/** Until the brick's heap has settled after the connections were made. */
const SETTLE_MS = 3000;

async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

function middle(results: readonly BusyResult[]): BusyResult {
  return { medianUs: median(results.map((r) => r.medianUs)), p99Us: median(results.map((r) => r.p99Us)), perSecond: median(results.map((r) => r.perSecond)) };
}

export async function manyConnections(side: Side, count: number): Promise<ConnectionsResult> {
  const host = await startVolume(side, { bricks: 1, words: '' }, 'tmpfs', { mounts: 0 });
  try {
    const port = /--brick-port (\d+)|listen-port=(\d+)/.exec(host.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"));
    const target = `${port?.[1] ?? port?.[2]} /d/b0`;
    const busy = async (): Promise<BusyResult> => {
      const clients = new Clients(host);
      const results: BusyResult[] = [];
      for (let turn = 0; turn < TURNS; turn++) results.push(await clients.ask<BusyResult>(`busy ${target} ${BUSY_SECONDS}`));
      await clients.end();
      return middle(results);
    };
    // Warm first: a young heap grows by itself.
    const before = await busy();
    await settle();
    const rss = (): number => host.usage('all').brick.rssMiB;
    const none = rss();
    const idle = new Clients(host);
    const half = Math.floor(count / 2);
    const first = await idle.ask<Opened>(`open ${target} ${half}`);
    await settle();
    const some = rss();
    const second = await idle.ask<Opened>(`open ${target} ${count - half}`);
    await settle();
    const all = rss();
    const during = await busy();
    await idle.end();
    return {
      side, connections: second.open, openedPerSecond: second.open / (first.seconds + second.seconds), rssMiB: [none, some, all],
      rssKiBEach: 1024 * Math.max((all - none) / count, (all - some) / (count - half)), before, during,
    };
  } finally {
    await host.stop();
  }
}

export function connectionsReport(results: readonly ConnectionsResult[]): string {
  const lines = [`${'side'.padEnd(11)}${'connections'.padStart(12)}${'made/s'.padStart(9)}${'RSS MiB with none, half, all'.padStart(30)}${'KiB each'.padStart(10)}   one busy client without → with them: LOOKUP median µs, p99 µs, 32 at once /s`];
  for (const { side, connections, openedPerSecond, rssMiB, rssKiBEach, before, during } of results) {
    const change = (pick: (r: BusyResult) => number): string => `${pick(before).toFixed(0)} → ${pick(during).toFixed(0)}`;
    lines.push(`${side.padEnd(11)}${String(connections).padStart(12)}${openedPerSecond.toFixed(0).padStart(9)}${rssMiB.map((mib) => mib.toFixed(0)).join(', ').padStart(30)}${rssKiBEach.toFixed(1).padStart(10)}   ${change((r) => r.medianUs)}, ${change((r) => r.p99Us)}, ${change((r) => r.perSecond)}`);
  }
  return lines.join('\n');
}
