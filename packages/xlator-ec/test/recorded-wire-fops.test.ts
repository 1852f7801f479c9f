import { type Bytes, Dict, Fd, Frame, type Gfid, type Inode, Iatt, IoVec, Loc, OpenFlag, SetAttr, errnoOf } from '@glusterts/libglusterfs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CONFIG, DIRTY, INODELK_DOM_COUNT, SIZE, UNLOCK_ALSO, WITH_XATTR } from '../src/version-xattrs.js';
import { type Call, callOf, callsOf, lines } from './recorded-wire.js';
import { type Client, ServedVolume, whyNot } from './served-volume.js';
import { StandingClock } from './standing-clock.js';

const reason = whyNot();
if (reason) console.warn(`GlusterFS's recorded calls of disperse skipped: ${reason}`);

const gfid = (hex: string): Gfid => Buffer.from(hex, 'hex').toString('latin1') as Gfid;
/** The recorded ones: which bricks are read follows from them. */
const FILE = gfid('a0ebc3c558ae4e219f0a46c49ca893e2');
const DIRECTORY = gfid('29f09459b10446b8b4e378fada7f6ac0');
const FILE_HEX = 'a0ebc3c558ae4e219f0a46c49ca893e2';
const LARGEFILE = 0o100000;
const BRICKS = [0, 1, 2];
/** Locks are kept for a second. */
const HOLD_MS = 1000;

/** The INODELKs that another one stands for: the same, of another inode and owner. */
function unlockedAlso(args: readonly unknown[]): unknown[][] {
  const [frame, volume, loc, cmd, flock, xdata] = args;
  const also = xdata instanceof Dict ? Buffer.from(xdata.getBin(UNLOCK_ALSO) ?? []).toString('latin1') : '';
  if (!(frame instanceof Frame) || !(loc instanceof Loc)) return [];
  return Array.from({ length: also.length / 24 }, (_, i) => {
    const other = new Loc({ inode: loc.inode.table.create(), gfid: also.slice(24 * i, 24 * i + 16) as Gfid });
    return [frame.derive({ lk_owner: also.slice(24 * i + 16, 24 * i + 24) as Bytes }), volume, other, cmd, flock, undefined];
  });
}

/** Calls that don't always ask how many want the lock. */
const UNCOUNTED = new Set(['CREATE', 'MKDIR', 'RENAME', 'UNLINK', 'WRITE']);

const recorded = callsOf('wire-fops-2+1.txt');

/** The steps of the vector: when each began, in seconds. */
const STEPS = [0, 2.2, 4.4, 6.6, 8.8, 11, 13.2, 15.4, 17.6, 20];

/** What was sent while the step ran, and what when its locks' time had come. */
interface Sent { readonly now: readonly Call[]; readonly later: readonly Call[] }

function recordedStep(step: number): Sent {
  const [from = 0, to = 0] = STEPS.slice(step, step + 2);
  const calls = recorded.filter(({ at }) => at >= from && at < to);
  return { now: calls.filter(({ at }) => at < from + 0.9), later: calls.filter(({ at }) => at >= from + 0.9) };
}

type Change = (calls: readonly Call[]) => Call[];
const without = (...procs: string[]): Change => (calls) => calls.filter(({ proc }) => !procs.includes(proc));
const only = (proc: string) => (calls: readonly Call[]): Call[] => calls.filter((call) => call.proc === proc);
const dictIn = (call: Call): Record<string, string> => (call.fields['dict'] ?? {}) as Record<string, string>;

/** A question that r + 1 bricks answer where GlusterFS asks all: the same question, at least two of the three. */
function expectAsked(ours: readonly Call[], theirs: readonly Call[]): void {
  const distinct = (calls: readonly Call[]): string[] => [...new Set(lines(calls.map((call) => ({ ...call, brick: 0 }))))].sort();
  const count = (calls: readonly Call[], brick: number): number => calls.filter((call) => call.brick === brick).length;
  expect(distinct(ours)).toEqual(distinct(theirs));
  expect(ours.length).toBeGreaterThanOrEqual((theirs.length * 2) / 3);
  for (const brick of BRICKS) expect(count(ours, brick)).toBeLessThanOrEqual(count(theirs, brick));
}

const HIDDEN = ['glusterts.inodelk-generation'];

describe.skipIf(reason).each([['bricks that don’t number their locks, as GlusterFS’s', HIDDEN], ['our own bricks', []]])('2+1, call by call as GlusterFS recorded it, on %s', (_title, hidden) => {
  let volume: ServedVolume;
  let client: Client;
  const clock = new StandingClock();
  let calls: Call[] = [];
  let writer: Fd;

  beforeAll(async () => {
    volume = await ServedVolume.start(3, 1, { name: 'w2x1', distribute: true, hidden });
    client = await volume.client([], clock.platform);
    client.taps.forEach((tap, brick) => {
      tap.before = (fop, args) => {
        calls.push(callOf('A', brick, fop, args));
        // A difference that is meant, on our own bricks: locks that go back at the same time do so in one call.
        for (const other of unlockedAlso(args)) calls.push(callOf('A', brick, fop, other));
        return undefined;
      };
    });
    await idle();
  });
  afterAll(() => volume.stop());

  /** Lets the locks' time pass, and waits until every lock that was taken is given back. */
  async function idle(): Promise<void> {
    clock.pass(HOLD_MS);
    await vi.waitFor(() => expect(client.taps.map(({ held }) => held)).toEqual([0, 0, 0]), { timeout: 20_000, interval: 20 });
  }

  async function sends(run: () => Promise<unknown>): Promise<Sent> {
    calls = [];
    await run();
    const now = calls;
    calls = [];
    await idle();
    return { now, later: calls };
  }

  /**
   * Differences that are meant (docs/performance.md, docs/architecture.md), the same in every step:
   * - LOOKUP and FSTAT go to r + 1 bricks, and to the last one if those differ;
   * - FLUSH is not sent for a file without posix locks;
   * - the call that FLUSH makes first takes the dirty mark away too, so that nothing is left for the release;
   * - RELEASE is protocol/client's, which has tests of its own.
   * Locks that are given back together leave in no order: each inode's calls are compared by themselves.
   */
  function expectSame(ours: Sent, theirs: Sent): void {
    // Our bricks are asked for the config beside, which belongs to what they number.
    const withoutConfig = (call: Call): Call => ({ ...call, fields: { ...call.fields, xdata: Object.fromEntries(Object.entries(call.fields['xdata'] as object).filter(([key]) => hidden.length > 0 || key !== CONFIG)) } });
    expectAsked(only('LOOKUP')(ours.now).map(withoutConfig), only('LOOKUP')(theirs.now));
    expectAsked(only('FSTAT')(ours.now), only('FSTAT')(theirs.now));
    /*
     * A difference that is meant, on our own bricks: if the lookup before has shown the file's version, size and config on all of them, and the lock says
     * that nobody has had it since, they are not asked again.
     */
    const unasked: Change = (all) => all.flatMap((call) => {
      if (hidden.length > 0 || !(CONFIG in dictIn(call))) return [call];
      const dict = Object.fromEntries(Object.entries(dictIn(call)).filter(([key]) => key === DIRTY));
      return Object.keys(dict).length === 0 ? [] : [{ ...call, fields: { ...call.fields, dict, xdata: {} } }];
    });
    /* Another: they tell by themselves who wants a lock, so that the first entry fops and WRITEs under one, which was had at once, don't ask. */
    const uncounted: Change = (all) => all.map((call) => {
      if (hidden.length > 0 || !UNCOUNTED.has(call.proc)) return call;
      const xdata = Object.entries(call.fields['xdata'] as object).filter(([key]) => key !== INODELK_DOM_COUNT);
      return { ...call, fields: { ...call.fields, xdata: Object.fromEntries(xdata) } };
    });
    const others = without('LOOKUP', 'FSTAT', 'FLUSH', 'RELEASE', 'RELEASEDIR');
    const rest: Change = (all) => unasked(others(all));
    expect(ours.now.filter(({ proc, fields }) => hidden.length === 0 && UNCOUNTED.has(proc) && INODELK_DOM_COUNT in (fields['xdata'] as object))).toEqual([]);
    const flushed = theirs.now.some(({ proc }) => proc === 'FLUSH');
    const cleared = only('FXATTROP')(theirs.later);
    const now = rest(theirs.now).map((call, at, all) => {
      const last = flushed && call.proc === 'FXATTROP' && !all.slice(at + 1).some((other) => other.proc === 'FXATTROP' && other.brick === call.brick);
      const mark = cleared.find(({ brick }) => brick === call.brick);
      return last && mark ? { ...call, fields: { ...call.fields, dict: { ...dictIn(call), ...dictIn(mark) } } } : call;
    });
    const later = flushed ? without('FXATTROP')(rest(theirs.later)) : rest(theirs.later);
    const byInode = (all: readonly Call[]): Call[] => [...all].sort((a, b) => (String(a.fields['gfid']) < String(b.fields['gfid']) ? -1 : String(a.fields['gfid']) > String(b.fields['gfid']) ? 1 : 0));
    const perBrick = (sent: Sent): string[][] => BRICKS.map((brick) => lines([...rest(sent.now), ...byInode(rest(sent.later))].filter((call) => call.brick === brick)));
    expect(perBrick(ours)).toEqual(perBrick({ now: uncounted(now), later }));
  }

  const at = (parent: Inode, name: string): Loc => {
    const { inodeTable } = client.graph;
    return new Loc({ inode: inodeTable.grep(parent, name as Bytes) ?? inodeTable.create(), parent, name: name as Bytes, path: (inodeTable.path(parent, name as Bytes) ?? '') as Bytes });
  };
  const root = (): Inode => client.graph.inodeTable.root;
  const file = (): Loc => at(root(), 'f');
  const directory = (): Loc => at(root(), 'd');
  /** The gfid that mount/fuse offers for a name that it doesn't know, as the vector has it. */
  const offered = (step: number): Gfid => {
    for (const { fields } of recordedStep(step).now) {
      const asked = (fields['xdata'] as Record<string, string> | undefined)?.['gfid-req'];
      if (asked !== undefined) return gfid(asked.slice(5));
    }
    throw new Error(`step ${step} offers no gfid`);
  };
  const request = (id: Gfid): Dict => new Dict().setGfid('gfid-req', id);
  const look = (loc: Loc, xdata?: Dict): Promise<unknown> => client.driver.subvolume.lookup(client.driver.frame, loc, xdata).catch(errnoOf);
  /** A name that isn't there is looked up by the kernel, by mount/fuse anew, and once more. */
  const absent = async (loc: () => Loc, step: number): Promise<void> => {
    await look(loc());
    await look(loc(), request(offered(step)));
    await look(loc());
  };
  const link = (parent: Inode, name: string, inode: Inode, stat: Iatt): Inode => client.graph.inodeTable.link(inode, parent, name as Bytes, stat);

  it('create, write, close', async () => {
    const { subvolume, frame } = client.driver;
    // A difference that is meant: our bricks make the file with its dirty mark, and say who had its lock last, so that nothing is left to be asked before the first write.
    const numbered: Change = (all) =>
      hidden.length > 0
        ? [...all]
        : all.filter((call) => call.proc !== 'FXATTROP' || !(CONFIG in dictIn(call))).map((call) => (call.proc === 'CREATE' ? { ...call, fields: { ...call.fields, xdata: { ...(call.fields['xdata'] as object), [DIRTY]: `ptr:${'0'.repeat(15)}1${'0'.repeat(15)}1` } } } : call));
    const ours = await sends(async () => {
      await absent(file, 0);
      const loc = file();
      writer = new Fd(loc.inode, { flags: OpenFlag.WRONLY });
      const made = await subvolume.create(frame, loc, 0o301, 0o100644, 0, writer, request(FILE));
      link(root(), 'f', made.inode, made.stat);
      writer.bind();
      await subvolume.writev(frame, writer, new IoVec([new Uint8Array(1000)]), 0, LARGEFILE | OpenFlag.WRONLY, undefined);
      await subvolume.flush(frame, writer, undefined);
      writer.unref();
    });
    const theirs = recordedStep(0);
    expectSame(ours, { ...theirs, now: numbered(theirs.now) });
  });

  it('open, write within a stripe and beyond the end, read, fstat, close', async () => {
    const { subvolume, frame } = client.driver;
    const ours = await sends(async () => {
      await look(file());
      const fd = new Fd(file().inode, { flags: OpenFlag.RDWR });
      await subvolume.open(frame, file(), OpenFlag.RDWR, fd, undefined);
      fd.bind();
      for (const offset of [5, 2000]) await subvolume.writev(frame, fd, new IoVec([new Uint8Array(10)]), offset, LARGEFILE | OpenFlag.RDWR, undefined);
      // What mount/fuse makes of 100 bytes.
      (await subvolume.readv(frame, fd, 4096, 0, LARGEFILE | OpenFlag.RDWR, undefined)).vector.unref();
      await subvolume.fstat(frame, fd, undefined);
      await subvolume.flush(frame, fd, undefined);
      fd.unref();
    });
    // A difference that is meant: a file that is open for reading is read by that fd, which works when its name is gone, not by gfid.
    const theirs = recordedStep(1);
    expectSame(ours, { ...theirs, now: theirs.now.map((call) => (call.proc === 'READ' ? { ...call, fields: { ...call.fields, fd: 0 } } : call)) });
  });

  it('truncate, whose zeros need no fd of their own', async () => {
    const { subvolume, frame } = client.driver;
    const ours = await sends(async () => {
      await look(file());
      await subvolume.truncate(frame, file(), 700, undefined);
    });
    // A difference that is meant: GlusterFS opens the file for its zeros, we write them by gfid, as it reads.
    const theirs = recordedStep(2);
    expectSame(ours, { ...theirs, now: without('OPEN')(theirs.now).map((call) => (call.proc === 'WRITE' ? { ...call, fields: { ...call.fields, fd: -2 } } : call)) });
  });

  it('chmod', async () => {
    const { subvolume, frame } = client.driver;
    const wanted = new Iatt();
    wanted.ia_prot = 0o600;
    const ours = await sends(async () => {
      await look(file());
      await subvolume.setattr(frame, file(), wanted, SetAttr.MODE, undefined);
    });
    expectSame(ours, recordedStep(3));
  });

  it('setxattr', async () => {
    const { subvolume, frame } = client.driver;
    const ours = await sends(async () => {
      await look(file());
      await subvolume.setxattr(frame, file(), new Dict().setBin('user.a', Buffer.from('1')), 0, undefined);
    });
    expectSame(ours, recordedStep(4));
  });

  it('mkdir', async () => {
    const { subvolume, frame } = client.driver;
    const ours = await sends(async () => {
      await absent(directory, 5);
      const made = await subvolume.mkdir(frame, directory(), 0o755, 0, request(DIRECTORY));
      link(root(), 'd', made.inode, made.stat);
    });
    expectSame(ours, recordedStep(5));
  });

  it('a listing', async () => {
    const { subvolume, frame } = client.driver;
    const ours = await sends(async () => {
      const fd = new Fd(root());
      await subvolume.opendir(frame, new Loc({ inode: root(), path: '/' as Bytes }), fd, undefined);
      fd.bind();
      const { entries } = await subvolume.readdirp(frame, fd, 131_072, 0n, undefined);
      await subvolume.readdirp(frame, fd, 131_072, entries.at(-1)?.d_off ?? 0n, undefined);
      fd.unref();
    });
    // Where the brick's file system goes on is its own business.
    const on: Change = (all) => all.map((call) => (call.proc === 'READDIRP' ? { ...call, fields: { ...call.fields, offset: call.fields['offset'] === 0 ? 0 : 'on' } } : call));
    const theirs = recordedStep(6);
    expectSame({ ...ours, now: on(ours.now) }, { ...theirs, now: on(theirs.now) });
  });

  it('rename into another directory, whose size is asked for beside it', async () => {
    const { subvolume, frame } = client.driver;
    const ours = await sends(async () => {
      await look(directory());
      await look(file());
      await look(at(directory().inode, 'g'), request(offered(7)));
      const from = file();
      const to = at(directory().inode, 'g');
      const { stat } = await subvolume.rename(frame, from, to, undefined);
      client.graph.inodeTable.rename(root(), 'f' as Bytes, directory().inode, 'g' as Bytes, from.inode, stat);
    });
    /*
     * A difference that is meant: GlusterFS asks all bricks for the size before, by name (no times in that LOOKUP: it is disperse's own); we
     * ask one brick for it while the others rename, by gfid, since the name may be gone. Our own bricks tell it with their answer: one of them is asked to.
     */
    const theirs = recordedStep(7);
    const own = (call: Call): boolean => call.proc === 'LOOKUP' && !('trusted.glusterfs.mdata' in (call.fields['xdata'] as object));
    expect(theirs.now.filter(own).map(({ brick }) => brick)).toEqual(BRICKS);
    const asking = ours.now.filter(({ proc, fields }) => proc === 'RENAME' && WITH_XATTR in (fields['xdata'] as object));
    if (hidden.length > 0) {
      expect(ours.now.filter(own).map(({ fields }) => fields)).toEqual([{ gfid: FILE_HEX, pargfid: '0'.repeat(32), flags: 0, name: '', xdata: { 'trusted.ec.size': 'uint:0' } }]);
      expect(asking).toEqual([]);
    } else {
      expect(ours.now.filter(own)).toEqual([]);
      expect(asking.map(({ fields }) => (fields['xdata'] as Record<string, string>)[WITH_XATTR])).toEqual([`str:${SIZE}`]);
    }
    const unsized = ours.now.map((call) => (asking.includes(call) ? { ...call, fields: { ...call.fields, xdata: Object.fromEntries(Object.entries(call.fields['xdata'] as object).filter(([key]) => key !== WITH_XATTR)) } } : call));
    expectSame({ ...ours, now: unsized.filter((call) => !own(call)) }, { ...theirs, now: theirs.now.filter((call) => !own(call)) });
  });

  it('unlink', async () => {
    const { subvolume, frame } = client.driver;
    const ours = await sends(async () => {
      await look(directory());
      const loc = at(directory().inode, 'g');
      await look(loc);
      await subvolume.unlink(frame, loc, 0, undefined);
    });
    expectSame(ours, recordedStep(8));
  });
});
