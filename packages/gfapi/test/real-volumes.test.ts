import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  if (spawnSync('glusterd', ['--version']).status !== 0) return 'no glusterd installed';
  if (spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true']).status !== 0) return 'no namespaces';
  return undefined;
}

const reason = whyNot();
if (reason) console.warn(`tests with real volumes are skipped: ${reason}`);

const here = path.dirname(fileURLToPath(import.meta.url));
/** glusterd takes no 127.0.0.1 for a brick. */
const ADDRESS = '10.99.0.2';
const HOST = `mount --make-rprivate / &&
  for d in /var/lib/glusterd /var/log/glusterfs /run /mnt; do mkdir -p $d && mount -t tmpfs tmpfs $d || exit 1; done
  mkdir -p /run/gluster /run/lock /mnt/bricks /mnt/m && ip link set lo up && ip addr add ${ADDRESS}/32 dev lo && exec glusterd -N`;

let host: ChildProcess;
let pid = 0;
const dir = mkdtempSync(path.join(tmpdir(), 'gfapi-real-'));
const driver = path.join(dir, 'driver.mjs');

/** Runs a command on the host, and resolves with its output. */
function run(...command: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('nsenter', ['-t', String(pid), '-n', '-m', '-p', '--', ...command], { encoding: 'utf8', timeout: 50_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command.join(' ')}: ${stdout}${stderr}`));
      else resolve(stdout);
    });
  });
}

const drive = async (...args: string[]): Promise<Record<string, unknown>> => JSON.parse(await run(process.execPath, driver, ADDRESS, ...args));

/** The volume as a real mount shows it. */
async function throughRealMount(volume: string, script: string): Promise<string> {
  return run('sh', '-c', `mkdir -p /mnt/m/${volume} && glusterfs -s ${ADDRESS} --volfile-id=${volume} /mnt/m/${volume} && cd /mnt/m/${volume} && ${script}; s=$?; cd /; umount /mnt/m/${volume}; exit $s`);
}

describe.skipIf(reason)('gfapi on volumes of the real GlusterFS', () => {
  beforeAll(async () => {
    const url = pathToFileURL(path.resolve(here, '../../libglusterfs/src/platform/native.ts')).href;
    await build({
      entryPoints: [path.join(here, 'volume-driver.ts')], outfile: driver, bundle: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', conditions: ['@glusterts/source'], define: { 'import.meta.url': JSON.stringify(url) },
      // `npm run test:switched`: what the daemons get by NODE_OPTIONS, for here the graph is in the bundle.
      ...(process.env['GLUSTERTS_SWITCHED'] === undefined ? {} : { inject: [path.resolve(here, '../../../tools/switched/graphs.mjs')] }),
    });
    host = spawn('unshare', ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', HOST], { stdio: 'ignore' });
    await vi.waitUntil(() => (pid = Number(readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'latin1').trim())) > 0);
    const gluster = (line: string): Promise<string> => run('gluster', '--mode=script', ...line.split(' '));
    await vi.waitUntil(() => gluster('volume list').then(() => true, (error: unknown) => String(error).includes('No volumes')), { timeout: 20_000, interval: 200 });
    const bricks = (volume: string, count: number): string => Array.from({ length: count }, (_, i) => `${ADDRESS}:/mnt/bricks/${volume}${i}`).join(' ');
    await gluster(`volume create one ${bricks('one', 1)} force`);
    await gluster(`volume create dist ${bricks('dist', 3)} force`);
    await gluster(`volume create disp disperse 3 redundancy 1 ${bricks('disp', 3)} force`);
    for (const volume of ['one', 'dist', 'disp']) await gluster(`volume start ${volume}`);
  }, 120_000);

  afterAll(() => {
    host?.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  it('learns from glusterd that a volume is not there', async () => {
    expect(await drive('absent')).toEqual({ code: 'ENOENT' });
  });

  it.each(['one', 'dist', 'disp'])('does to "%s" what the real mount then sees', async (volume) => {
    // The volume of one brick goes without the layers between, so that gfapi alone is tried.
    const text = await run('cat', `/var/lib/glusterd/vols/${volume}/trusted-${volume}.tcp-fuse.vol`);
    const brick = /volume \S+\n\s+type protocol\/client[^]*?end-volume/.exec(text)?.[0] ?? '';
    const result = await drive(volume, ...(volume === 'one' ? [brick] : []));
    if ('missing' in result) {
      console.warn(`the volume "${volume}" is skipped: ${String(result.missing)} not built yet`);
      return;
    }
    const { sha, ...rest } = result;
    expect(rest).toMatchObject({
      same: true, names: 53, nlink: 2, xattr: 'y', size: 100, holder: { type: 'write', start: 5, length: 10 }, refused: 'EAGAIN', absent: 'ENOENT', blocks: true, active: 0,
    });
    const seen = await throughRealMount(volume, 'sha256sum < a/b/big; ls a | wc -l; cat a/hard; echo; getfattr --only-values -n user.x a/renamed; stat -c " %s %h" a/small-1; readlink a/link; rm -r a');
    expect(seen).toBe(`${String(sha)}  -\n53\n0\ny 100 1\nb/big\n`);
  });
});
