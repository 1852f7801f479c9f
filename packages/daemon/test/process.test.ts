import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GfEvent, GlusterLogger, Graph, XlatorLoader, createPlatform, localStorage } from '@glusterts/libglusterfs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const program = path.join(root, 'bin/glusterfsd');
const reason = existsSync(path.join(root, 'apps/glusterfsd/dist/main.js')) ? '' : 'glusterfsd is not built: run `npm run build` first';
if (reason) console.warn(`skipped: ${reason}`);
const noLock = localStorage().available ? '' : 'flock(2) needs the native addon, and what needs a lock, a brick or a mount, does not start without it';
if (noLock) console.warn(`two daemons with one pid file: skipped: ${noLock}`);

const noBrick = localStorage().available && process.getuid?.() === 0 ? '' : 'a brick needs the native addon, and root for trusted xattrs';
if (noBrick) console.warn(`a brick that ends: skipped: ${noBrick}`);

const VOLFILE = 'volume m\n  type storage/memory\n  option size 16MB\nend-volume\nvolume top\n  type debug/io-stats\n  subvolumes m\nend-volume\n';

const vector = (name: string) => JSON.parse(readFileSync(path.join(import.meta.dirname, 'vectors', name), 'utf8'));
const recorded: readonly { name: string; argv: string[]; stdin?: string; rc: number; stdout: string; stderr: string }[] = vector('daemons-mount.json');
const values: readonly { argument: string; rc: number | 'taken'; stderr: string }[] = vector('argument-values.json');

let dir: string;
let pids: number[];

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'glusterts-daemon-'));
  pids = [];
  writeFileSync(file('vol'), VOLFILE);
});

afterEach(() => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  }
  rmSync(dir, { recursive: true, force: true });
});

const file = (name: string): string => path.join(dir, name);
const text = (name: string): string => (existsSync(file(name)) ? readFileSync(file(name), 'utf8') : '');

function start(...argv: string[]): ChildProcess {
  return spawn(program, ['-f', file('vol'), '-l', file('log'), '-p', file('pid'), ...argv], { stdio: ['ignore', 'ignore', 'pipe'] });
}

function status(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => child.once('close', resolve));
}

/** Resolves when something in the directory has changed so that `found` holds. */
function until(found: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dir, () => check());
    const check = (): void => {
      if (!found()) return;
      watcher.close();
      resolve();
    };
    check();
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function daemon(...argv: string[]): Promise<number> {
  expect(await status(start(...argv))).toBe(0);
  const pid = Number(text('pid'));
  pids.push(pid);
  return pid;
}

describe.skipIf(reason !== '')('a daemon', () => {
  it('is up when the foreground ends with 0: its pid is in the pid file, and its name is GlusterFS’s', async () => {
    const pid = await daemon();
    expect(pid).toBeGreaterThan(1);
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe('glusterfsd\n');
    const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
    expect(words[0]).toBe('glusterfsd');
    // Scripts search ps for what comes right after it; node's script would stand between (it does without the addon).
    if (noLock === '') expect(words.filter((word) => word !== '')).toEqual(['glusterfsd', '-f', file('vol'), '-l', file('log'), '-p', file('pid')]);
    expect(text('log')).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000\] I \[MSGID: 100030\] .*Started running version/);
    expect(text('log')).toContain('Final graph:');
  });

  it('ends at SIGTERM, says so, and takes its pid file along', async () => {
    const pid = await daemon();
    process.kill(pid, 'SIGTERM');
    await until(() => !existsSync(file('pid')));
    expect(text('log')).toContain('received signum (15), shutting down');
  });

  it('writes to a new log file after SIGHUP when the old one was moved away', async () => {
    const pid = await daemon();
    renameSync(file('log'), file('log.1'));
    process.kill(pid, 'SIGHUP');
    await until(() => existsSync(file('log')));
    process.kill(pid, 'SIGTERM');
    await until(() => text('log').includes('received signum (15)'));
    expect(text('log.1')).not.toContain('received signum');
  });

  it.skipIf(noLock !== '')('does not start twice with one pid file, and leaves the first alone', async () => {
    const pid = await daemon();
    expect(await status(start())).not.toBe(0);
    expect(text('log')).toContain('lock failed');
    expect(Number(text('pid'))).toBe(pid);
    expect(() => process.kill(pid, 0)).not.toThrow();
  });
});

describe.skipIf(reason !== '' || noBrick !== '')('a brick', () => {
  it('that ends leaves its clients first, and then its rehearsal: glusterd has been told that it is down', async () => {
    const brick = file('brick');
    // Of its folder's own id nothing is known; io-stats sets the process's log level.
    const volfile = readFileSync(path.join(import.meta.dirname, 'vectors/brick-distribute.vol'), 'utf8')
      .replaceAll('/dd/b1', brick).replaceAll(/^ *option (volume-id|timestamp-file) .*\n/gm, '').replace('log-level INFO', 'log-level DEBUG');
    writeFileSync(file('vol'), volfile);
    mkdirSync(path.join(brick, '.glusterfs'), { recursive: true });
    const port = await freePort();
    const words = ['--brick-name', brick, '--brick-port', String(port), '--xlator-option', `v-server.listen-port=${port}`];
    const child = spawn(program, ['-f', file('vol'), '-l', file('log'), '-p', file('pid'), ...words], { stdio: 'ignore', env: { ...process.env, GLUSTERTS_REHEARSAL: '1' } });
    expect(await status(child)).toBe(0);
    const pid = Number(text('pid'));
    pids.push(pid);
    const login = /auth\.login\.(\S+)\.password (\S+)/.exec(volfile);
    const client = `volume c\n  type protocol/client\n  option remote-host 127.0.0.1\n  option remote-port ${port}\n  option remote-subvolume ${brick}\n  option username ${login?.[1]}\n  option password ${login?.[2]}\nend-volume\n`;
    const platform = createPlatform();
    const graph = await Graph.load(client, { platform, loader: new XlatorLoader({}), log: GlusterLogger.create('test', { sink: () => undefined, clock: platform.clock }) });
    await graph.activate();
    expect(await graph.whenSettled()).toBe(GfEvent.CHILD_UP);
    process.kill(pid, 'SIGTERM');
    await until(() => !existsSync(file('pid')));
    await graph.fini();
    const told = text('log').split('\n').flatMap((line) => /received signum|disconnecting connection|rehears\w+ as a brick/.exec(line)?.[0] ?? []);
    expect(told).toEqual(['received signum', 'disconnecting connection', 'rehearsed as a brick']);
  });
});

describe.skipIf(reason !== '')('a process that does not come up', () => {
  it('ends the foreground with 1 for a volfile that is wrong, and leaves no pid file', async () => {
    writeFileSync(file('vol'), 'volume m\n  type storage/nothing\n  option size 16MB\nend-volume\n');
    expect(await status(start())).toBe(1);
    expect(text('log')).toContain("type 'storage/nothing' is not valid or not found on this machine");
    expect(existsSync(file('pid'))).toBe(false);
  });

  it('ends with 1, as GlusterFS does, for a volfile that is not there', async () => {
    rmSync(file('vol'));
    expect(await status(start())).toBe(1);
  });

  it('ends with EADDRINUSE when its port is taken, upon which glusterd draws another', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '0.0.0.0', resolve));
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    writeFileSync(file('vol'), `${VOLFILE}volume server\n  type protocol/server\n  option transport.socket.listen-port ${port}\n  subvolumes top\nend-volume\n`);
    expect(await status(start())).toBe(98);
    await new Promise((resolve) => taken.close(resolve));
  });

  // The real ones' answers; what they ask is answered before anything is started.
  it.each(recorded.filter(({ argv: [name = ''], stdin, rc }) => /^gluster(fs|fsd|d)$/.test(name) && stdin === undefined && rc !== 1))('$name: prints and exits as GlusterFS does', ({ argv: [name = '', ...words], rc, stdout, stderr }) => {
    const ours = spawnSync(path.join(root, 'bin', name), words, { encoding: 'utf8', timeout: 20_000 });
    expect({ rc: ours.status, stdout: ours.stdout.replace(/^(glusterfs 10\.3\n)[^]*$/, '$1(rest of the banner elided)\n'), stderr: ours.stderr }).toEqual({ rc, stdout, stderr });
  });

  it.each(['--use-readdirp=please-fail', '--use-readdirp=', '--direct-io-mode=please-fail', '--fopen-keep-cache=please-fail'])('glusterfs %s ends with GlusterFS’s words and status, and mounts nothing', (argument) => {
    const expected = values.find((each) => each.argument === argument);
    const ours = spawnSync(path.join(root, 'bin/glusterfs'), [argument, '-f', file('vol'), '-l', file('log'), dir], { encoding: 'utf8', timeout: 20_000 });
    expect({ rc: ours.status, stderr: ours.stderr }).toEqual({ rc: expected?.rc, stderr: expected?.stderr });
    expect(existsSync(file('log'))).toBe(false);
  });
});

describe.skipIf(reason !== '')('with --no-daemon', () => {
  it('the process stays in the foreground, and ends with the signal’s number', async () => {
    const child = start('-N');
    const ended = status(child);
    await until(() => text('log').includes('Final graph:'));
    expect(Number(text('pid'))).toBe(child.pid);
    child.kill('SIGTERM');
    expect(await ended).toBe(15);
  });
});
