import { Dict, Errno, type Bytes } from '@glusterts/libglusterfs';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AcceptStat, GlusterCli, GlusterDump, GlusterHandshake, GlusterPortmap, Glusterfs4, RpcClient, RpcRejected } from '../src/index.js';
import { ListLogger, portablePlatform } from './test-platform.js';

function missing(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  if (spawnSync('glusterd', ['--version']).status !== 0) return 'no glusterd installed';
  if (spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'true']).status !== 0) return 'no namespaces';
  return undefined;
}

const reason = missing();
if (reason !== undefined) console.warn(`real glusterd: skipped: ${reason}`);

/** Its own network, mounts and processes; what it keeps is on tmpfs and goes with it. */
const HOST = `
  mount --make-rprivate / &&
  for d in /var/lib/glusterd /var/log/glusterfs /run; do mkdir -p $d && mount -t tmpfs tmpfs $d || exit 1; done
  mkdir -p /run/gluster /run/lock && ip link set lo up && exec glusterd -N`;

/** From a unix socket that all see to glusterd's TCP port, which only its own network namespace sees. */
const FORWARD = `
  const net = require('net');
  net.createServer((near) => {
    const far = net.connect(24007, '127.0.0.1');
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  }).listen(process.argv[1]);`;

describe.skipIf(reason !== undefined)('a real glusterd', () => {
  const dir = reason === undefined ? mkdtempSync(join(tmpdir(), 'rpc-glusterd-')) : '';
  const children: ChildProcess[] = [];
  const clients: RpcClient[] = [];
  let pid = 0;

  beforeAll(async () => {
    const host = spawn('unshare', ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', HOST], { stdio: 'ignore' });
    children.push(host);
    while (pid === 0) {
      await new Promise(setImmediate);
      pid = Number(readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'latin1').trim());
    }
    children.push(spawn('nsenter', ['-t', String(pid), '-n', process.execPath, '-e', FORWARD, join(dir, 'tcp')], { stdio: 'ignore' }));
  });

  afterAll(() => {
    for (const client of clients) client.disconnect();
    for (const child of children.reverse()) child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  /** Connects again and again until the daemon answers DUMP. */
  async function connected(path: string): Promise<RpcClient> {
    return new Promise((resolve) => {
      const client: RpcClient = new RpcClient({
        platform: portablePlatform(), log: new ListLogger(), name: 'test', address: { path }, reconnectDelayMs: 50,
        onConnect: (made) =>
          void made.invoke(GlusterDump.PING, undefined).then(
            () => resolve(made),
            () => {},
          ),
      });
      clients.push(client);
      client.connect();
    });
  }

  it('lists on TCP the programs of the specification', async () => {
    const client = await connected(join(dir, 'tcp'));
    const { prog } = await client.invoke(GlusterDump.DUMP, { gfs_id: 0xcaed });
    expect(prog.map(({ progname, prognum, progver }) => `${progname} ${prognum}/${progver}`)).toEqual([
      'GF-DUMP 123451501/1', 'GlusterD svc peer 1238437/2', 'GlusterD svc cli read-only 1238463/2', 'GlusterD svc mgmt 1238433/2', 'GlusterD svc mgmt v3 1238433/3',
      'Gluster Portmap 34123456/1', 'Gluster Handshake 14398633/2', 'Gluster MGMT Handshake 1239873/1',
    ]);
  });

  it('does not know the volume that it is asked for, nor its brick', async () => {
    const client = await connected(join(dir, 'tcp'));
    const xdata = new Dict().setStr('min-op-version', '1').setStr('max-op-version', '100000');
    const spec = await client.invoke(GlusterHandshake.GETSPEC, { flags: 1, key: 'nosuch' as Bytes, xdata });
    expect(spec).toMatchObject({ op_ret: -1, op_errno: Errno.ENOENT, spec: '' });
    expect(await client.invoke(GlusterPortmap.PORTBYBRICK, { brick: '/d/none' as Bytes })).toEqual({ op_ret: -1, op_errno: 0, status: 0, port: 0 });
  });

  it('refuses what it does not serve', async () => {
    const client = await connected(join(dir, 'tcp'));
    const error: unknown = await client.invoke(Glusterfs4.NULL, undefined).catch((thrown: unknown) => thrown);
    expect(error instanceof RpcRejected && error.acceptStat).toBe(AcceptStat.PROG_UNAVAIL);
  });

  it('serves the command line on its unix socket', async () => {
    const client = await connected(`/proc/${pid}/root/run/glusterd.socket`);
    expect(await client.invoke(GlusterCli.GETWD, { unused: 0 })).toMatchObject({ op_ret: 0, wd: '/var/lib/glusterd' });
    const list = await client.invoke(GlusterCli.LIST_VOLUME, { dict: new Dict() });
    expect(list.op_ret).toBe(0);
    expect(list.dict?.getNumber('count')).toBe(0);
  });
});
