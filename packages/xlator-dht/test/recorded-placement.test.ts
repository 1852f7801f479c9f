import { readFileSync } from 'node:fs';
import { type Statvfs, VolfileError } from '@glusterts/libglusterfs';
import type { GraphDriver } from '@glusterts/xlator-compliance';
import { afterEach, describe, expect, it } from 'vitest';
import { dmHash } from '../src/hash.js';
import { RecordedVolume, whyNoBricks } from './recorded-volume.js';

const reason = whyNoBricks();
if (reason) console.warn(`GlusterFS's recorded placements skipped: ${reason}`);

const read = (name: string): string => readFileSync(new URL(`vectors/${name}`, import.meta.url), 'latin1');
const LAYOUT = 'trusted.glusterfs.dht';
const layoutsIn = (text: string): string[] => [...text.matchAll(/^.*trusted\.glusterfs\.dht=0x(\w{32})$/gm)].map(([, hex]) => hex ?? '');

let volume: RecordedVolume | undefined;
afterEach(async () => {
  await volume?.stop();
  volume = undefined;
});

/** Bricks in the numbers of `df`, in KiB, as tmpfs has them: blocks of 4 KiB. */
const disk = (totalKib: number, availKib: number): Partial<Statvfs> => ({ f_bsize: 4096, f_frsize: 4096, f_blocks: totalKib / 4, f_bfree: availKib / 4, f_bavail: availKib / 4, f_files: 1_000_000, f_ffree: 1_000_000 });

/**
 * A name for a directory whose ranges begin on the brick where the recorded ones do. Most vectors don't tell the name, only the
 * layout: the hash of the path decides nothing but where the ranges begin.
 */
function nameFor(layouts: readonly string[]): string {
  const first = layouts.findIndex((hex) => hex.slice(16, 24) === '00000000' && hex.slice(24) !== '00000000');
  // A brick without a range before it may be the one that the path asks for; those that begin at the first range will do.
  for (let i = 0; ; i++) if (dmHash(`/d${i}`) % layouts.length === first) return `/d${i}`;
}

const layoutsOf = (made: RecordedVolume, bricks: number, path: string): (string | undefined)[] => Array.from({ length: bricks }, (_, brick) => made.xattr(brick, path, LAYOUT));

describe.skipIf(reason)('regexes of names, as GlusterFS recorded them', () => {
  const text = read('name-munging.txt');
  /** One mount: the option as the volfile had it, where each name went, and the layout of the directory. */
  const mounts = [...text.matchAll(/(?:^ {4}option (\S+ .*)\n)?^(\w+) mounted\n((?:\d .*\n)+)/gm)].map(([, option, title, lines]) => ({ option, title: title ?? '', lines: (lines ?? '').trimEnd().split('\n') }));

  it('are three mounts that worked', () => {
    expect(mounts.map(({ title, option }) => [title, option])).toEqual([['none', undefined], ['extraq', String.raw`extra-hash-regex "^(.+)\.tmp$"`], ['extraq2', String.raw`extra-hash-regex "^(.+)\\.tmp$"`]]);
  });

  it.each(mounts)('$title: $option put every name on the same brick', async ({ option, lines }) => {
    const [key = '', ...value] = (option ?? 'rsync-hash-regex none').split(' ');
    volume = new RecordedVolume({ name: 'v7', bricks: 7, options: { [key]: value.join(' '), 'weighted-rebalance': 'off' } });
    const driver = await volume.mount();
    const layouts = layoutsIn(lines.join('\n'));
    const dir = nameFor(layouts);
    await driver.mkdir(dir);
    expect(layoutsOf(volume, 7, dir)).toEqual(layouts);
    for (const [brick, line] of lines.entries()) {
      for (const name of line.slice(2, line.indexOf('trusted')).split(' ').filter((each) => each !== '')) {
        await driver.mknod(`${dir}/${name}`, 0o100644);
        expect([0, 1, 2, 3, 4, 5, 6].filter((each) => volume?.stat(each, `${dir}/${name}`) !== undefined), name).toEqual([brick]);
      }
    }
  });

  it('keep a volume from being mounted when their brackets are not quoted, with the same words', async () => {
    const refused = [...text.matchAll(/syntax error: line \d+ (\(volume 'v7-dht'\): .*?)$/gm)].map(([, words]) => words ?? '');
    expect(refused).toHaveLength(2);
    volume = new RecordedVolume({ name: 'v7', bricks: 7 });
    const error = await volume.mount({ 'extra-hash-regex': String.raw`^(.+)\.tmp$` }).then(() => undefined, (caught: unknown) => caught);
    expect(error).toBeInstanceOf(VolfileError);
    for (const words of refused) expect(String(error)).toContain(words);
  });
});

describe.skipIf(reason)('ranges and full bricks, as GlusterFS recorded them', () => {
  const sections = new Map(read('free-space.txt').split(/^#### /m).slice(1).map((section): [string, string] => [section.slice(0, section.indexOf('\n')), section]));
  const section = (title: string): string => sections.get(title) ?? expect.unreachable(title);
  const full = section('min-free-disk on vw');
  const disks = [...full.matchAll(/^tmpfs +(\d+) +\d+ +(\d+)/gm)].map(([, total, avail]) => disk(Number(total), Number(avail)));
  const roomy = disks.map((each) => ({ ...each, f_bavail: each.f_blocks ?? 0 }));
  /** Not recorded: the limit, which is over the 12 % that brick 2 has left, and that weighting was off, as the halves show. */
  const options = { 'min-free-disk': '20%', 'weighted-rebalance': 'off' };

  interface Listed { name: string; mode: string; size: number }
  /** `ls -l` of one brick: mode, size and name. */
  const listing = (text: string, brick: number): Listed[] => [...(text.split(/^b\d$/m)[brick + 1] ?? '').matchAll(/^([-plrwxT]{10}) root (\d+) (\S+)$/gm)].map(([, mode = '', size, name = '']) => ({ mode, size: Number(size), name }));
  const TYPES: Record<number, string> = { 0o010000: 'p', 0o100000: '-', 0o120000: 'l' };

  function listed(made: RecordedVolume, brick: number, dir: string, names: readonly string[]): Listed[] {
    return names.flatMap((name): Listed[] => {
      const stat = made.stat(brick, `${dir}/${name}`);
      if (!stat) return [];
      const bits = [...'rwxrwxrwx'].map((letter, i) => ((stat.mode >> (8 - i)) & 1 ? letter : '-'));
      if (stat.mode & 0o1000) bits[8] = 'T';
      return [{ name, mode: (TYPES[stat.mode & 0o170000] ?? '?') + bits.join(''), size: stat.size }];
    });
  }

  /** Every name of the listings, made as its kind; then all bricks must list the same. */
  async function filled(made: RecordedVolume, driver: GraphDriver, dir: string, text: string): Promise<void> {
    const kinds = new Map([0, 1, 2].flatMap((brick) => listing(text, brick)).filter(({ mode }) => !mode.endsWith('T')).map(({ name, mode, size }) => [name, { kind: mode[0], size }]));
    for (const [name, { kind, size }] of kinds) {
      if (kind === 'p') await driver.mknod(`${dir}/${name}`, 0o010644);
      else if (kind === 'l') await driver.symlink('x'.repeat(size), `${dir}/${name}`);
      else await driver.writeFile(`${dir}/${name}`, new Uint8Array(size));
    }
    const byName = (a: Listed, b: Listed): number => (a.name < b.name ? -1 : 1);
    for (const brick of [0, 1, 2]) expect(listed(made, brick, dir, [...kinds.keys()]).sort(byName), `brick ${brick}`).toEqual(listing(text, brick).sort(byName));
  }

  it('full bricks get no range of a directory that is made while they are full, nor what would hash there', async () => {
    volume = new RecordedVolume({ name: 'vw', bricks: 3, options, disks });
    const driver = await volume.mount();
    // Two directories, brick by brick.
    const layouts = layoutsIn(full);
    expect(layouts).toHaveLength(6);
    const [files, other] = [0, 1].map((which) => [0, 1, 2].map((brick) => layouts[brick * 2 + which] ?? ''));
    for (const recorded of [files, other]) {
      const dir = nameFor(recorded ?? []);
      await driver.mkdir(dir);
      expect(layoutsOf(volume, 3, dir)).toEqual(recorded);
    }
    await filled(volume, driver, nameFor(files ?? []), full);
  });

  it('full bricks get linktos, and symlinks themselves, in a directory that had its ranges before', async () => {
    const text = section('min-free-disk, directory made before the brick was full');
    volume = new RecordedVolume({ name: 'vw', bricks: 3, options, disks: roomy });
    await (await volume.mount()).mkdir('/mf5');
    expect(layoutsOf(volume, 3, 'mf5')).toEqual(layoutsIn(text));
    volume.disks = disks;
    await filled(volume, await volume.mount(), '/mf5', text);
    const [, count, target] = /^ +(\d+) trusted\.glusterfs\.dht\.linkto="(.*)"$/m.exec(text) ?? [];
    const linktos = listing(text, 1).filter(({ mode }) => mode.endsWith('T'));
    expect(linktos).toHaveLength(Number(count));
    for (const { name } of linktos) expect(volume.xattr(1, `mf5/${name}`, `${LAYOUT}.linkto`)).toBe(Buffer.from(`${target ?? ''}\0`).toString('hex'));
  });

  it('cluster.subvols-per-directory 3 of 5 leaves two bricks without a range', async () => {
    const layouts = layoutsIn(section('spread count on v5'));
    expect(layouts).toHaveLength(10);
    // A fifth of the tmpfs that the five bricks shared, as in layouts-weighted.json.
    const fifth = disk(2411 * 1024, 2411 * 1024);
    volume = new RecordedVolume({ name: 'v5', bricks: 5, disks: [fifth, fifth, fifth, fifth, fifth] });
    for (const [options, recorded] of [[{}, layouts.slice(0, 5)], [{ 'directory-layout-spread': '3' }, layouts.slice(5)]] as const) {
      const driver = await volume.mount(options);
      const dir = nameFor(recorded);
      await driver.mkdir(dir);
      expect(layoutsOf(volume, 5, dir)).toEqual(recorded);
    }
  });

  it('randomize-hash-range-by-gfid begins the ranges where the gfid says', async () => {
    const text = section('randomize by gfid');
    volume = new RecordedVolume({ name: 'v7', bricks: 7, options: { 'randomize-hash-range-by-gfid': 'on', 'weighted-rebalance': 'off' } });
    const driver = await volume.mount();
    const gfids = [...text.matchAll(/^trusted\.gfid=0x(\w{32})$/gm)].map(([, hex]) => hex ?? '');
    expect(gfids).toHaveLength(3);
    for (const [i, hex] of gfids.entries()) {
      const request = driver.gfidReq();
      const gfid = Buffer.from(hex, 'hex').toString('latin1');
      await driver.mkdir(`/g${i}`, 0o755, request.setGfid('gfid-req', gfid as Parameters<typeof request.setGfid>[1]));
      expect(volume.xattr(0, `g${i}`, 'trusted.gfid')).toBe(hex);
      expect(layoutsOf(volume, 7, `g${i}`)).toEqual(layoutsIn(text).slice(i * 7, i * 7 + 7));
    }
  });
});
