import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InitFlag } from '../../../packages/fuse-bridge/src/protocol.ts';
import { Cluster, whyNot } from '../src/cluster.ts';
import { type Compared, type ReplayJob, replayTrace } from '../src/fuse-trace/replay.ts';

/*
 * The requests that a kernel sent to 10.3's mount (vectors/fuse-trace-*.txt), sent in the same order to our bridge, on a mount's
 * graph, a brick and an ext4 of our own: each answer must be the recorded one. What can't be the same is said in replies.ts.
 */

const noLoop = spawnSync('losetup', ['-f']).status === 0 ? undefined : 'there is no loop device for an ext4';
const reason = whyNot(false) ?? noLoop;
if (reason) console.warn(`the recorded FUSE traces are skipped: ${reason}`);

const VOLFILE = '/var/lib/glusterd/vols/v/trusted-v.tcp-fuse.vol';
const BEYOND = InitFlag.MAX_PAGES | InitFlag.PARALLEL_DIROPS | InitFlag.HANDLE_KILLPRIV_V2;
/** Enough for blocks of 4096 bytes. */
const IMAGE_SIZE = 1 << 30;

let cluster: Cluster;
let directory: string;

/**
 * INIT is answered with more than 10.3 asks for: protocol 7.31, 1 MiB at once, MAX_PAGES, PARALLEL_DIROPS and
 * HANDLE_KILLPRIV_V2 (docs/fuse.md).
 */
function beyond(init: string): string {
  return init
    .replace('minor=24', 'minor=31').replace('max_readahead=131072', 'max_readahead=1048576').replace('max_write=131072', 'max_write=1048576')
    .replace(/(?<= flags=)0x\w+/, (flags) => `0x${(Number(flags) | BEYOND).toString(16)}`);
}

/** @param there files of a line each that the volume has already */
async function replay(vector: string, job: Partial<ReplayJob>, there: readonly string[] = []): Promise<Compared[]> {
  const { host, gluster } = cluster;
  host.sh(`${gluster} volume create v clta:/d/b1 force && ${gluster} volume start v`);
  if (there.length > 0) {
    cluster.mount('ours', 'v', '/mnt/there');
    for (const name of there) host.sh(`echo ${name} >/mnt/there/${name}`);
    cluster.unmount('/mnt/there');
  }
  return replayTrace(host, { options: {}, before: {}, ...job, volfile: VOLFILE, trace: fileURLToPath(new URL(`vectors/${vector}`, import.meta.url)) });
}

interface Other {
  /** How the command begins. */
  readonly title: RegExp;
  readonly recorded: string | RegExp;
  readonly ours: string;
}

/** @param others where ours is meant to be another answer: each must be met */
function same(sections: readonly Compared[], others: readonly Other[] = []): void {
  const met = new Set<Other>();
  for (const { title, expected, actual } of sections) {
    const wanted = expected.map((line, i) => {
      if (line.startsWith('<- INIT ')) return beyond(line);
      const other = others.find((each) => each.title.test(title) && actual[i] === each.ours && (typeof each.recorded === 'string' ? line === each.recorded : each.recorded.test(line)));
      if (!other) return line;
      met.add(other);
      return other.ours;
    });
    expect.soft(actual, title).toEqual(wanted);
  }
  expect(others.filter((other) => !met.has(other))).toEqual([]);
}

const LABEL = "<- GETXATTR value=b'system_u:object_r:etc_t:s0'";
const NOT_AS_RECORDED: readonly Other[] = [
  // 10.3 stores an SELinux label, says how long it is, and then has none; we give it back.
  { title: /^setfattr -n security\.selinux/, recorded: '<- GETXATTR error=-61', ours: LABEL },
  { title: /^ls -lR/, recorded: '<- GETXATTR error=-61', ours: LABEL },
  // Of a file whose last name went, 10.3 asks the brick for security.capability, once; our md-cache still knows that it has none.
  { title: /^python3 .*os\.unlink/, recorded: '<- GETXATTR error=-116', ours: '<- GETXATTR error=-61' },
];

/** The brick of this trace had a folder more in its root, which no listing shows. */
const ONE_MORE_FOLDER: Other = {
  title: /./, recorded: '<- GETATTR attr_valid=1.000000000 mode=40755 nlink=4 blksize=131072', ours: '<- GETATTR attr_valid=1.000000000 mode=40755 nlink=3 blksize=131072',
};

describe.skipIf(reason !== undefined)('the answers to recorded requests are the recorded ones', () => {
  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'fuse-trace-'));
    const image = path.join(directory, 'ext4');
    writeFileSync(image, '');
    truncateSync(image, IMAGE_SIZE);
    cluster = await Cluster.start('ours', { name: 'clta', bricks: { image } });
  });
  afterEach(async () => {
    await cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('with default options', async () => {
    same(await replay('fuse-trace-default.txt', {}));
  });

  it('with ACLs, other timeouts, refused xattrs, .meta, an interrupted lock, an open file without a name', async () => {
    same(await replay('fuse-trace-acl-timeouts-interrupt.txt', { options: { acl: true, selinux: true, 'negative-timeout': 5, 'entry-timeout': 0.5, 'attribute-timeout': 2.25 } }, ['a']), NOT_AS_RECORDED);
  });

  it('while the brick is killed, and when it is back', async () => {
    const kill = 'kill -9 $(pgrep -f -- "--brick-nam[e] /d/b1")';
    same(await replay('fuse-trace-server-gone.txt', { before: { 1: { run: kill, awaits: 'down' }, 7: { run: `${cluster.gluster} volume start v force`, awaits: 'up' } } }, ['h']), [ONE_MORE_FOLDER]);
  });
});
