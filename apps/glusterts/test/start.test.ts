import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const app = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const main = path.join(app, 'dist/main.js');
const addon = path.resolve(app, '../../packages/libglusterfs/native/build/Release');

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  if (process.env['GLUSTERTS_PORTABLE'] === '1' || !existsSync(addon)) return 'needs the native addon';
  if (!existsSync(main)) return 'needs the built app';
  if (spawnSync('unshare', ['-mnpf', '--mount-proc', 'true']).status !== 0) return 'needs namespaces (unshare)';
  return undefined;
}

const reason = whyNot();
if (reason !== undefined) console.warn(`npm start: skipped: ${reason}`);

const dir = reason === undefined ? mkdtempSync('/tmp/gts start-') : '';
afterAll(() => {
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

/** In network, mount and process namespaces of its own: nothing of the machine is in its way, nothing is left behind. */
function shell(script: string, env: NodeJS.ProcessEnv = {}): { status: number | null; text: string } {
  const result = spawnSync('unshare', ['-mnpf', '--mount-proc', 'bash', '-c', `ip link set lo up; cd "$DIR" || exit 99\n${script}`], {
    encoding: 'utf8', timeout: 45_000, env: { ...process.env, DIR: dir, NODE: process.execPath, START: main, INIT_CWD: dir, ...env },
  });
  return { status: result.status, text: result.stdout + result.stderr };
}

const distribute = '"$NODE" "$START" --redundancy 0 --bricks 2';

describe.skipIf(reason !== undefined)('npm start in a directory with a blank in its name', { timeout: 60_000 }, () => {
  it('returns the status of the command, and finds its data again', () => {
    const first = shell(`${distribute} --exec 'echo kept > "a file"; exit 7'; s=$?; pgrep -a gluster; grep glusterts /proc/mounts; exit $s`);
    expect(first.status, first.text).toBe(7);
    expect(first.text.trimEnd().endsWith('stopping the bricks and glusterd'), first.text).toBe(true);
    const again = shell(`${distribute} --exec 'cat "a file"'`);
    expect(again.status, again.text).toBe(0);
    expect(again.text).toContain('kept\n');
  });

  it('runs without /dev/fuse, says so, and ends cleanly on SIGTERM', () => {
    const run = shell(`touch empty; mount --bind empty /dev/fuse
mkfifo told; ${distribute} > told 2>&1 & pid=$!
while read -r line; do echo "$line"; case $line in *volume.close*) kill -TERM $pid;; esac; done < told
wait $pid; s=$?; pgrep -a gluster; exit $s`);
    expect(run.status, run.text).toBe(0);
    expect(run.text).toContain('none: /dev/fuse is no device here');
    expect(run.text.trimEnd().endsWith('stopping the bricks and glusterd'), run.text).toBe(true);
  });

  it('runs two pools that start at once', () => {
    const run = shell(`for n in 1 2; do "$NODE" "$START" --dir "two $n" --redundancy 0 --bricks 1 --exec "echo pool $n > f; cat f" & pids="$pids $!"; done
s=0; for pid in $pids; do wait $pid || s=1; done; exit $s`);
    expect(run.status, run.text).toBe(0);
    for (const n of [1, 2]) expect(run.text).toContain(`pool ${n}\n`);
  });

  it('takes another port when the usual one is taken, and keeps its volume', () => {
    const address = readFileSync(path.join(dir, '.glusterts/address'), 'utf8').trim().split(':');
    const taken = `"$NODE" -e "require('net').createServer().listen(${address[1] ?? '0'}, '0.0.0.0', () => console.log('taken'))" > taken & until grep -qs taken taken; do sleep 0.05; done`;
    const run = shell(`${taken}; ${distribute} --exec 'cat "a file"'; s=$?; kill %1; exit $s`);
    expect(run.status, run.text).toBe(0);
    expect(run.text).toContain('kept\n');
    expect(readFileSync(path.join(dir, '.glusterts/address'), 'utf8').trim()).not.toBe(address.join(':'));
  });
});

describe.skipIf(reason !== undefined)('npm start refuses, without a stack trace', { timeout: 60_000 }, () => {
  it.each([
    ['another shape than the volume has', `"$NODE" "$START" --redundancy 0 --bricks 3 --exec true`, 1, 'use another --dir'],
    ['a mountpoint that is not empty', `mkdir -p full; touch full/x; ${distribute} --mount full --exec true`, 1, 'is not empty'],
    ['a directory that cannot be made', `touch file; "$NODE" "$START" --dir file/x --exec true`, 1, "can't be written"],
    ['portable mode', `GLUSTERTS_PORTABLE=1 "$NODE" "$START" --exec true`, 1, 'native addon'],
    ['wrong arguments', `"$NODE" "$START" --bricks none`, 2, '--bricks takes a number'],
  ])('%s', (_what, script, status, words) => {
    const run = shell(script);
    expect(run.status, run.text).toBe(status);
    expect(run.text).toContain(words);
    expect(run.text).not.toMatch(/^ +at /m);
  });
});
