import { Errno, Fd, FopError, GfEvent, OpenFlag, type ReadReply, type Upcall } from '@glusterts/libglusterfs';
import { complianceSuite, expectErrno } from '@glusterts/xlator-compliance';
import { afterEach, describe, expect, it } from 'vitest';
import { readAhead } from '../src/read-ahead/index.js';
import { type TwoClients, twoClients } from './two-clients.js';

const PAGE = 131072;

complianceSuite({ name: 'performance/read-ahead over storage/memory', makeGraph: async () => (await twoClients(readAhead)).graph });

let bench: TwoClients | undefined;
afterEach(async () => {
  await bench?.down();
  bench = undefined;
});

/** A file of so many pages, each of bytes of its own number, and an fd on it. */
async function opened(pages: number, options: readonly string[] = [], flags: number = OpenFlag.RDONLY): Promise<TwoClients & { fd: Fd }> {
  const at = (bench = await twoClients(readAhead, options));
  const bytes = Buffer.alloc(pages * PAGE);
  for (let page = 0; page < pages; page++) bytes.fill(page + 1, page * PAGE, (page + 1) * PAGE);
  await at.other.writeFile('/f', bytes);
  const fd = await at.ours.open('/f', flags);
  at.gate.take();
  return { ...at, fd };
}

/** What came down since the last time: `offset+size` of readvs in pages, other fops by name. */
function came({ gate }: TwoClients): string[] {
  const seen = gate.seen.map((fop, i) => (fop === 'readv' ? `${Number(gate.args[i]?.[3]) / PAGE}+${Number(gate.args[i]?.[2]) / PAGE}` : fop));
  gate.take();
  return seen;
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function readPage(at: TwoClients & { fd: Fd }, page: number, pages = 1): Promise<number[]> {
  const bytes = await at.ours.read(at.fd, pages * PAGE, page * PAGE);
  await settled();
  return [...new Set(bytes)];
}

describe('performance/read-ahead', () => {
  it('the window grows with what was read in sequence, up to page-count', async () => {
    const at = await opened(20);
    expect(await readPage(at, 0)).toEqual([1]);
    expect(came(at)).toEqual(['0+1', '1+1']);
    expect(await readPage(at, 1)).toEqual([2]);
    expect(came(at)).toEqual(['2+2']);
    await readPage(at, 2);
    expect(came(at)).toEqual(['4+2']);
    await readPage(at, 3);
    expect(came(at)).toEqual(['6+2']);
    // Four pages ahead from here on.
    for (let page = 4; page < 8; page++) {
      expect(await readPage(at, page)).toEqual([page + 1]);
      expect(came(at)).toEqual([`${page + 4}+1`]);
    }
    await at.ours.close(at.fd);
  });

  it('of reads larger than the window, the next one is there when it is asked for', async () => {
    const at = await opened(32);
    await readPage(at, 0, 8);
    expect(came(at)).toEqual(['0+8', '8+8']);
    expect(await readPage(at, 8, 8)).toEqual([9, 10, 11, 12, 13, 14, 15, 16]);
    expect(came(at)).toEqual(['16+8']);
    await at.ours.close(at.fd);
  });

  it('small reads are answered from whole pages', async () => {
    const at = await opened(4);
    await at.ours.read(at.fd, 4096, 0);
    expect(came(at)).toEqual([`0+${4096 / PAGE}`]);
    for (let offset = 4096; offset < PAGE; offset += 4096) await at.ours.read(at.fd, 4096, offset);
    expect(came(at)).toEqual([`${4096 / PAGE}+${1 - 4096 / PAGE}`, '1+1']);
    await at.ours.close(at.fd);
  });

  it('nothing is sent for behind the end of the file', async () => {
    const at = await opened(3);
    for (let page = 0; page < 3; page++) expect(await readPage(at, page)).toEqual([page + 1]);
    expect(came(at)).toEqual(['0+1', '1+1', '2+1']);
    expect(await readPage(at, 3)).toEqual([]);
    expect(came(at)).toEqual(['3+1']);
    await at.ours.close(at.fd);
  });

  it('a read elsewhere goes down as it is, and gives up what was ahead', async () => {
    const at = await opened(16);
    for (let page = 0; page < 4; page++) await readPage(at, page);
    at.gate.take();
    expect((await at.ours.read(at.fd, 100, 9 * PAGE + 7)).length).toBe(100);
    await settled();
    expect(came(at)).toEqual([`${(9 * PAGE + 7) / PAGE}+${100 / PAGE}`]);
    expect(at.graph.iobufs.active).toBe(0);
    await at.ours.close(at.fd);
  });

  it('O_DIRECT, O_WRONLY, anonymous fds and large reads pass', async () => {
    const at = await opened(12);
    const inode = at.fd.inode;
    for (const fd of [new Fd(inode, { flags: OpenFlag.RDONLY, anonymous: true }), await at.ours.open('/f', OpenFlag.RDONLY | OpenFlag.DIRECT)]) {
      at.gate.take();
      await at.ours.read(fd, PAGE, 0);
      await at.ours.read(fd, PAGE, PAGE);
      await settled();
      expect(came(at)).toEqual(['0+1', '1+1']);
      fd.unref();
    }
    await at.ours.read(at.fd, 9 * PAGE, 0);
    expect(came(at)).toEqual(['0+9']);
    await at.ours.close(at.fd);
  });

  it('any change of the file by any fd gives up what is ahead of all', async () => {
    const at = await opened(40, [], OpenFlag.RDWR);
    const second = await at.ours.open('/f', OpenFlag.RDWR);
    const { subvolume, frame } = at.ours;
    const { loc } = await at.ours.resolve('/f');
    let page = 0;
    const changes: (() => Promise<unknown>)[] = [
      () => at.ours.write(second, Buffer.from('x'), 0),
      () => at.ours.truncate('/f', 39 * PAGE),
      () => subvolume.ftruncate(frame, second, 38 * PAGE, undefined),
      () => subvolume.discard(frame, second, 0, 10, undefined),
      () => subvolume.zerofill(frame, second, 0, 10, undefined),
      () => subvolume.fallocate(frame, second, false, 0, 10, undefined),
      () => subvolume.copy_file_range(frame, second, 0, second, 100, 10, 0, undefined),
      async () => at.graph.invalidate(at.fd.inode),
      async () => at.gate.notify(GfEvent.UPCALL, { kind: 'cache-invalidation', client: undefined, gfid: loc.inode.gfid, flags: 8 } as Upcall),
    ];
    for (const change of changes) {
      await readPage(at, page++);
      await readPage(at, page++);
      await change();
      at.gate.take();
      expect(await readPage(at, page), String(change)).toEqual([page + 1]);
      expect(came(at)[0], String(change)).toBe(`${page++}+1`);
    }
    await at.ours.close(at.fd);
    await at.ours.close(second);
  });

  it('what was on its way when the file was written is not served afterwards', async () => {
    const at = await opened(4, [], OpenFlag.RDWR);
    const held = at.gate.hold('readv');
    const first = at.ours.read(at.fd, PAGE, 0);
    await held.answered;
    await at.ours.write(at.fd, Buffer.alloc(PAGE, 99), PAGE);
    held.release();
    await first;
    expect(await readPage(at, 1)).toEqual([99]);
    await at.ours.close(at.fd);
  });

  it('what is ahead is served for a second, and not after the brick was away', async () => {
    const at = await opened(16);
    await readPage(at, 0);
    at.time.advance(999);
    at.gate.take();
    await readPage(at, 1);
    expect(came(at)[0]).toBe('2+2');
    at.time.advance(1000);
    await readPage(at, 2);
    expect(came(at)[0]).toBe('2+1');
    at.gate.notify(GfEvent.CHILD_DOWN);
    at.gate.notify(GfEvent.CHILD_UP);
    await readPage(at, 3);
    expect(came(at)[0]).toBe('3+1');
    await at.ours.close(at.fd);
  });

  it('the error of a read ahead is nobody’s: the read itself is sent', async () => {
    const at = await opened(4);
    let fail = false;
    at.gate.alter<ReadReply>('readv', (reply) => {
      if (!fail) return reply;
      reply.vector.unref();
      throw new FopError(Errno.EIO);
    });
    const first = at.ours.read(at.fd, PAGE, 0);
    await first;
    fail = true;
    await settled();
    fail = false;
    expect(await readPage(at, 1)).toEqual([2]);
    at.gate.alter('readv', undefined);
    await at.ours.close(at.fd);
  });

  it('an error of what the read itself has sent for is told', async () => {
    const at = await opened(4);
    at.gate.alter('readv', (reply: ReadReply) => {
      reply.vector.unref();
      throw new FopError(Errno.EIO);
    });
    await expectErrno(at.ours.read(at.fd, PAGE, 0), Errno.EIO);
    at.gate.alter('readv', undefined);
    await at.ours.close(at.fd);
  });

  it('with force-atime-update the brick hears of reads that were answered from what was ahead', async () => {
    const at = await opened(4, ['force-atime-update on']);
    await readPage(at, 0);
    at.gate.take();
    await readPage(at, 1);
    expect(came(at)).toContain(`${1 / PAGE}+${1 / PAGE}`);
    await at.ours.close(at.fd);
  });

  it('closing gives up what is ahead, also what has not come yet; so does the end of the graph', async () => {
    const at = await opened(16);
    await readPage(at, 0);
    await readPage(at, 1);
    const held = at.gate.hold('readv');
    const reading = at.ours.read(at.fd, PAGE, 2 * PAGE);
    await at.ours.close(at.fd);
    held.release();
    await reading;
    await settled();
    expect([at.fd.refs, at.graph.iobufs.active]).toEqual([0, 0]);
    const second = await at.ours.open('/f');
    await at.ours.read(second, PAGE, 0);
    await settled();
    expect(at.graph.iobufs.active).toBeGreaterThan(0);
    at.graph.top.notify(GfEvent.PARENT_DOWN);
    expect(at.graph.iobufs.active).toBe(0);
    await at.ours.close(second);
  });

  it('page-count and pass-through can be changed on a live graph', async () => {
    const at = await opened(40);
    for (let page = 0; page < 6; page++) await readPage(at, page);
    await at.graph.reconfigure(at.volfile.replace('type performance/read-ahead\n', 'type performance/read-ahead\n    option page-count 8\n'));
    await readPage(at, 6);
    came(at);
    await readPage(at, 7);
    expect(came(at)).toEqual(['14+2']);
    await at.graph.reconfigure(at.volfile.replace('type performance/read-ahead\n', 'type performance/read-ahead\n    option pass-through on\n'));
    expect(at.graph.iobufs.active).toBe(0);
    for (let page = 8; page < 12; page++) await readPage(at, page);
    expect(came(at)).toEqual(['8+1', '9+1', '10+1', '11+1']);
    await at.ours.close(at.fd);
  });

  it('what it shows of itself is GlusterFS’s', async () => {
    const at = await opened(1);
    const lines: string[] = [];
    at.graph.top.dump({ section: (title) => void lines.push(`[${title}]`), write: (key, value) => void lines.push(`${key} = ${value}`) });
    expect(lines).toEqual(['[xlator.performance.read-ahead.priv]', 'page_size = 131072', 'page_count = 4', 'force_atime_update = 0']);
    await at.ours.close(at.fd);
  });
});
