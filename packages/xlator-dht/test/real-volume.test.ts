import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type Graph, Frame } from '@glusterts/libglusterfs';
import { GraphDriver, complianceSuite, pattern, testGraph } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/*
 * Against the bricks, the mount and the logs of the real GlusterFS, on a host where it may do as it likes:
 *
 *   testhost exec HOST sh -c 'GLUSTERTS_DHT_HOST=HOST npx vitest run test/real-volume.test.ts'
 */
const host = process.env['GLUSTERTS_DHT_HOST'];
const reason = host === undefined ? 'GLUSTERTS_DHT_HOST names no throw-away host' : spawnSync('glusterd', ['--version']).status !== 0 ? 'no glusterd installed' : undefined;
if (reason) console.warn(`cluster/distribute on real bricks is skipped: ${reason}`);

const VOLUME = 'v';
const MOUNT = '/mnt/v';
const VOLFILE = `/var/lib/glusterd/vols/${VOLUME}/trusted-${VOLUME}.tcp-fuse.vol`;

/** The volume's own clients and distribute, and nothing above. */
function volfile(): string {
  const text = readFileSync(VOLFILE, 'latin1');
  return text.slice(0, text.indexOf('end-volume', text.indexOf('type features/utime')) + 'end-volume\n'.length);
}

const xattrsOf = (brick: number, path: string): string => execFileSync('getfattr', ['-h', '-d', '-m', 'trusted.glusterfs.dht', '-e', 'hex', '--absolute-names', `/d/b${brick}${path}`], { encoding: 'utf8' }).split('\n').slice(1).sort().join('\n');
const healLines = (log: string): string[] => readFileSync(log, 'utf8').split('\n').filter((line) => /dht_selfheal|selfheal|layout|holes|mismatch/i.test(line) && !/option|readdir/.test(line));

describe.skipIf(reason)('cluster/distribute on bricks of the real GlusterFS', () => {
  const graphs: Graph[] = [];
  const driverOf = async (): Promise<GraphDriver> => {
    const graph = await testGraph(volfile(), []);
    graphs.push(graph);
    const driver = new GraphDriver(graph.topSubvolume, graph, new Frame({ pid: 1000 }));
    await driver.root();
    return driver;
  };

  beforeAll(() => {
    if (!existsSync(VOLFILE)) throw new Error(`no volume ${VOLUME} on this host`);
    mkdirSync(MOUNT, { recursive: true });
    mount('/tmp/dht-clean.log');
    for (const name of readdirSync(MOUNT)) rmSync(`${MOUNT}/${name}`, { recursive: true });
  });
  afterAll(async () => {
    spawnSync('umount', [MOUNT]);
    for (const graph of graphs) await graph.fini();
  });

  const mount = (log: string): void => {
    spawnSync('umount', [MOUNT]);
    execFileSync('glusterfs', ['--volfile-server', host ?? '', '--volfile-id', VOLUME, '--log-file', log, MOUNT]);
    // The mount answers once the graph is up.
    statSync(MOUNT);
  };

  it('makes a tree that the real mount reads, without a word of layouts in its log', async () => {
    const driver = await driverOf();
    await driver.mkdir('/ours');
    for (let d = 0; d < 8; d++) {
      await driver.mkdir(`/ours/d${d}`);
      for (let f = 0; f < 12; f++) await driver.writeFile(`/ours/d${d}/f${f}`, pattern(1000 * f + d, d));
    }
    for (let f = 0; f < 12; f++) await driver.rename(`/ours/d0/f${f}`, `/ours/d1/g${f}`);
    for (let f = 0; f < 6; f++) await driver.link(`/ours/d2/f${f}`, `/ours/d2/l${f}`);
    for (let f = 0; f < 6; f++) await driver.symlink(`f${f}`, `/ours/d3/s${f}`);
    await driver.rename('/ours/d4', '/ours/d4-moved');
    await driver.setxattr('/ours/d5', 'user.k', Buffer.from('value'));

    mount('/tmp/dht-ours.log');
    expect(readdirSync(`${MOUNT}/ours`).sort()).toEqual(['d0', 'd1', 'd2', 'd3', 'd4-moved', 'd5', 'd6', 'd7']);
    expect(readdirSync(`${MOUNT}/ours/d0`)).toEqual([]);
    expect(readdirSync(`${MOUNT}/ours/d1`)).toHaveLength(24);
    for (let f = 0; f < 12; f++) {
      expect(Buffer.compare(readFileSync(`${MOUNT}/ours/d1/g${f}`), pattern(1000 * f, 0))).toBe(0);
      expect(Buffer.compare(readFileSync(`${MOUNT}/ours/d4-moved/f${f}`), pattern(1000 * f + 4, 4))).toBe(0);
      expect(Buffer.compare(readFileSync(`${MOUNT}/ours/d7/f${f}`), pattern(1000 * f + 7, 7))).toBe(0);
    }
    for (let f = 0; f < 6; f++) {
      expect(statSync(`${MOUNT}/ours/d2/l${f}`).nlink).toBe(2);
      expect(Buffer.compare(readFileSync(`${MOUNT}/ours/d3/s${f}`), pattern(1000 * f + 3, 3))).toBe(0);
    }
    expect(execFileSync('getfattr', ['-n', 'user.k', '--only-values', `${MOUNT}/ours/d5`], { encoding: 'utf8' })).toBe('value');
    expect(healLines('/tmp/dht-ours.log')).toEqual([]);
  });

  it('gives a directory the very xattrs that the real client gives it', async () => {
    mount('/tmp/dht-twin.log');
    const driver = await driverOf();
    for (const name of ['one', 'two words', 'été', '.hidden.x', 'zz9']) {
      mkdirSync(`${MOUNT}/${name}`);
      const real = [0, 1, 2].map((brick) => xattrsOf(brick, `/${name}`));
      execFileSync('rmdir', [`${MOUNT}/${name}`]);
      await driver.mkdir(`/${Buffer.from(name).toString('latin1')}`);
      expect([0, 1, 2].map((brick) => xattrsOf(brick, `/${name}`))).toEqual(real);
    }
  });

  it('reads what the real mount made, and changes it under its eyes', async () => {
    mount('/tmp/dht-theirs.log');
    mkdirSync(`${MOUNT}/theirs`);
    for (let d = 0; d < 6; d++) {
      mkdirSync(`${MOUNT}/theirs/d${d}`);
      for (let f = 0; f < 10; f++) writeFileSync(`${MOUNT}/theirs/d${d}/f${f}`, pattern(900 * f + d, d));
    }
    for (let f = 0; f < 10; f++) execFileSync('mv', [`${MOUNT}/theirs/d0/f${f}`, `${MOUNT}/theirs/d1/moved${f}`]);
    const before = [0, 1, 2].map((brick) => xattrsOf(brick, '/theirs/d2'));
    const driver = await driverOf();
    expect(await driver.names('/theirs')).toEqual(['d0', 'd1', 'd2', 'd3', 'd4', 'd5']);
    for (let f = 0; f < 10; f++) {
      expect(Buffer.compare(await driver.readFile(`/theirs/d1/moved${f}`), pattern(900 * f, 0))).toBe(0);
      expect(Buffer.compare(await driver.readFile(`/theirs/d2/f${f}`), pattern(900 * f + 2, 2))).toBe(0);
    }
    expect([0, 1, 2].map((brick) => xattrsOf(brick, '/theirs/d2'))).toEqual(before);
    await driver.rmdir('/theirs/d0');
    await driver.rename('/theirs/d3/f1', '/theirs/d3/renamed');
    await driver.unlink('/theirs/d3/f2');
    expect(existsSync(`${MOUNT}/theirs/d0`)).toBe(false);
    expect(Buffer.compare(readFileSync(`${MOUNT}/theirs/d3/renamed`), pattern(903, 3))).toBe(0);
    await driver.removeAll('/theirs');
    expect(readdirSync(`${MOUNT}/theirs`)).toEqual([]);
    expect(healLines('/tmp/dht-theirs.log')).toEqual([]);
    for (const brick of [0, 1, 2]) expect(readdirSync(`/d/b${brick}/theirs`)).toEqual([]);
  });
});

if (!reason) complianceSuite({ name: 'cluster/distribute on real bricks', makeGraph: () => testGraph(volfile(), []), without: ['device-nodes'], randomOperations: 300, manyEntries: 1100, largestOffset: 2 ** 43 });
