import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Dict, Errno, Fd, type Gfid, OpenFlag, errnoMessage, errnoOf } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashGfid } from '../src/cluster.js';
import { type Client, ServedVolume, whyNot } from './served-volume.js';
import { StandingClock } from './standing-clock.js';

const reason = whyNot();
if (reason) console.warn(`GlusterFS's recorded damage skipped: ${reason}`);

interface OnBrick { size: number; sha256: string; xattrs: Record<string, string> }
type Entry = { note: string; value: unknown } | { step: string; bricks: (OnBrick | null)[] };
const vector: Entry[] = JSON.parse(readFileSync(new URL('vectors/damage-2+1.json', import.meta.url), 'utf8'));
const note = (start: string): unknown => {
  const found = vector.find((entry) => 'note' in entry && entry.note.startsWith(start));
  return found && 'note' in found ? found.value : expect.unreachable(start);
};
const step = (title: string): (OnBrick | null)[] => {
  const found = vector.find((entry) => 'step' in entry && entry.step === title);
  return found && 'step' in found ? found.bricks : expect.unreachable(title);
};

/** The vectors' formula for content. */
const content = (size: number, seed = 0): Buffer => Buffer.from(Array.from({ length: size }, (_, i) => (i * i * 31 + i * 7 + (i >> 8) * 13 + 11 + seed) & 255));
const CONTENT = content(10_000);
const BRICKS = [0, 1, 2];

/*
 * What a mount gives of damaged files. Left out: everything about healing (`trusted.ec.heal`, heal info, and what a mount's own background heal
 * has done by the time the vector looks), which is not built yet.
 */
describe.skipIf(reason)('damage on a 2+1 volume, as GlusterFS recorded it', () => {
  let volume: ServedVolume;
  let client: Client;
  const clock = new StandingClock();

  beforeAll(async () => {
    volume = await ServedVolume.start(3, 1);
    client = await volume.client([], clock.platform);
  });
  afterAll(() => volume.stop());

  const file = (brick: number, name: string): string => path.join(volume.disk(brick), name);
  const sha = (brick: number, name: string): string => createHash('sha256').update(readFileSync(file(brick, name))).digest('hex');
  const setXattr = (brick: number, name: string, key: string, hex: string): Buffer => execFileSync('setfattr', ['-n', key, '-v', `0x${hex}`, file(brick, name)]);
  const onBrick = (brick: number, name: string): OnBrick => ({
    size: statSync(file(brick, name)).size, sha256: sha(brick, name), xattrs: Object.fromEntries(Object.entries(volume.xattrs(name)[brick] ?? {}).map(([key, value]) => [`trusted.ec.${key}`, value])),
  });

  /** A file of the vector, with its gfid if it has one there, and no lock left on it. */
  async function make(name: string, gfid?: string): Promise<void> {
    const { driver } = client;
    const loc = await driver.fresh(`/${name}`);
    const fd = new Fd(loc.inode, { flags: OpenFlag.RDWR });
    const request = gfid === undefined ? driver.gfidReq() : new Dict().setGfid('gfid-req', Buffer.from(gfid, 'hex').toString('latin1') as Gfid);
    const made = await driver.subvolume.create(driver.frame, loc, OpenFlag.RDWR | OpenFlag.CREAT, 0o644, 0o022, fd, request);
    client.graph.inodeTable.link(made.inode, loc.parent, loc.name, made.stat);
    await driver.write(fd.bind(), CONTENT, 0);
    await driver.close(fd);
    await idle();
  }

  async function idle(): Promise<void> {
    clock.pass(1000);
    await expect.poll(() => client.taps.map(({ held }) => held), { timeout: 20_000 }).toEqual([0, 0, 0]);
  }

  const errorOf = (run: Promise<unknown>): Promise<string> => run.then(() => 'done', (error: unknown) => errnoMessage(errnoOf(error)));

  /** The bit that was turned in c1's fragment: the vector tells the sums of both. */
  let turned = 0;

  it('begins with the fragments of the vector', async () => {
    await make('t', (note('read t') as { gfid: string }).gfid);
    for (const brick of BRICKS) expect(onBrick(brick, 't')).toEqual(step('z after explicit heal')[brick]);
    const fragment = readFileSync(file(1, 't'));
    const wanted = step('c1: bit 62 set on brick 1 by hand')[1]?.sha256;
    for (let bits = 1; bits < 256 && turned === 0; bits++) {
      const other = Buffer.from(fragment);
      other[100] = (other[100] ?? 0) ^ bits;
      if (createHash('sha256').update(other).digest('hex') === wanted) turned = bits;
    }
    expect(turned).toBeGreaterThan(0);
  });

  it.each([0, 1, 2, 3])('a byte that was changed in a fragment is not noticed: c%i', async (which) => {
    const name = `c${which}`;
    const title = vector.flatMap((entry) => ('note' in entry && entry.note.startsWith(`read of ${name} `) ? [entry.note] : []))[0] ?? '';
    await make(name, /gfid (\w+)/.exec(title)?.[1]);
    const [, offset, brick] = /\(offset (\d+)\) on brick (\d)/.exec(title) ?? [];
    const fragment = readFileSync(file(Number(brick), name));
    fragment[Number(offset)] = (fragment[Number(offset)] ?? 0) ^ turned;
    writeFileSync(file(Number(brick), name), fragment);
    const bytes = await client.driver.readFile(`/${name}`);
    const bad = [...bytes.keys()].filter((i) => bytes[i] !== CONTENT[i]);
    expect({ equal: bad.length === 0, bad_bytes: bad.length, first_bad: bad.slice(0, 3) }).toEqual(note(`read of ${name} `));
    await idle();
  });

  it.each([['t', 'read t '], ['z', 'read z ']])('a fragment that was cut is left aside: %s', async (name, title) => {
    const recorded = note(title) as { len: number; equal: boolean; gfid: string };
    const cut = vector.flatMap((entry) => ('note' in entry && entry.note.startsWith(title) ? [entry.note] : []))[0] ?? '';
    if (name !== 't') await make(name, recorded.gfid);
    truncateSync(file(1, name), Number(/cut to (\d+)/.exec(cut)?.[1]));
    const { driver } = await volume.client();
    const bytes = Buffer.from(await driver.readFile(`/${name}`));
    expect({ len: bytes.length, equal: bytes.equals(CONTENT) }).toEqual({ len: recorded.len, equal: recorded.equal });
    // Of brick 1 the vector shows a heal that has begun.
    if (name === 't') for (const brick of [0, 2]) expect(onBrick(brick, 't')).toEqual(step('t after reads')[brick]);
  });

  it('of xattrs that differ on all bricks one brick’s are shown', async () => {
    // Which one follows from the gfid, and the vector shows brick 0's.
    let gfid: string;
    do gfid = Buffer.from(client.graph.platform.random.bytes(16)).toString('hex');
    while (hashGfid(Buffer.from(gfid, 'hex').toString('latin1')) % 3 !== 0);
    await make('xx', gfid);
    for (const brick of BRICKS) for (const [key] of [note(`xx xattrs brick ${brick}`) as string[]]) setXattr(brick, 'xx', key ?? '', '31');
    const { driver } = await volume.client();
    const shown = (await driver.listxattr('/xx')).filter((key) => key.startsWith('user.'));
    expect(shown).toEqual(note('listxattr of xx'));
  });

  it('a brick that is marked as being healed is written to and not read from', async () => {
    const { driver } = client;
    setXattr(1, 'c1', 'trusted.ec.version', step('c1: bit 62 set on brick 1 by hand')[1]?.xattrs['trusted.ec.version'] ?? '');
    for (const brick of BRICKS) expect(onBrick(brick, 'c1')).toEqual(step('c1: bit 62 set on brick 1 by hand')[brick]);
    const fd = await driver.open('/c1');
    // The ten bytes are not told, but the sums of the fragments after them are.
    await driver.write(fd, Buffer.from('Q'.repeat(10)), 20);
    const expected = Buffer.from(CONTENT);
    expected.fill('Q', 20, 30);
    expect(Buffer.from(await driver.read(fd, 20_000, 0)).equals(expected)).toBe(note('write then read with brick 1 marked as being healed'));
    await driver.close(fd);
    await idle();
    const after = step('c1 after pwrite 10 at 20 with brick 1 marked');
    for (const brick of BRICKS) expect(sha(brick, 'c1')).toBe(after[brick]?.sha256);
    // The rest of what the vector shows is the work of a heal: the mark of brick 1 gone, no dirty mark, versions alike.
    for (const brick of [0, 2]) expect(volume.xattrs('c1')[brick]).toMatchObject({ config: after[brick]?.xattrs['trusted.ec.config'], size: after[brick]?.xattrs['trusted.ec.size'] });
  });

  it('when all versions differ, the attributes are shown, nothing else is done but unlink', async () => {
    for (const brick of BRICKS) setXattr(brick, 'c2', 'trusted.ec.version', `000000000000000${5 + brick}0000000000000001`);
    const { driver } = await volume.client();
    expect((await driver.lookup('/c2')).ia_size).toBe(note('all versions differ: stat'));
    expect(await errorOf(driver.readFile('/c2'))).toBe(note('all versions differ: open+read'));
    const fd = await driver.open('/c2');
    // The vector's mount had write-behind, which answered before the write was done (1: one byte); what is told here shows at its close there.
    expect(note('all versions differ: write')).toBe(1);
    await expect(driver.write(fd, Buffer.from('x'), 0)).rejects.toMatchObject({ errno: Errno.EIO });
    await driver.close(fd).catch(() => undefined);
    expect(await errorOf(driver.chmod('/c2', 0o600))).toBe(note('all versions differ: chmod'));
    expect(note('all versions differ: unlink')).toBeNull();
    await driver.unlink('/c2');
    expect(BRICKS.map((brick) => (statSync(file(brick, 'c2'), { throwIfNoEntry: false }) === undefined ? null : 'there'))).toEqual(step('c2 after'));
  });

  it('with two of three bricks down nothing is answered', async () => {
    await volume.stopBrick(1);
    await volume.stopBrick(2);
    const { driver } = client;
    // It is the connections' end that shows it.
    await expect.poll(() => errorOf(driver.lookup('/t')), { timeout: 20_000 }).toBe(note('two of three bricks down: stat'));
    const loc = await driver.fresh('/new');
    expect(await errorOf(driver.open('/t'))).toBe(note('two of three bricks down: open'));
    expect(await errorOf(driver.subvolume.create(driver.frame, loc, OpenFlag.RDWR, 0o644, 0, new Fd(loc.inode), driver.gfidReq()))).toBe(note('two of three bricks down: create'));
    expect(await errorOf(driver.names('/'))).toBe(note('two of three bricks down: listdir'));
  });
});
