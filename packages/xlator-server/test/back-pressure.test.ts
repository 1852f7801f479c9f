import { type Bytes, Frame, type Graph, IoVec, type Network, OpenFlag, type Platform, type Transport, Xlator, type XlatorDefinition, createPlatform, createPortableNetwork } from '@glusterts/libglusterfs';
import { xlators as client } from '@glusterts/xlator-client';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { afterEach, describe, expect, it } from 'vitest';
import { xlators as server } from '../src/index.js';
import { freePort } from './pair.js';

const MIB = 1 << 20;
const FRAME = new Frame({ pid: 77, lk_owner: 'owner...' as Bytes });
/** Reads of 1 MiB that the client which stops reading asks for. */
const READS = 512;
/** 64 MiB being served, 16 MiB in the queue, and what the two sockets' buffers take. */
const SERVED_MAX = 160;
const GROWTH_MAX = 300 * MIB;

/** Gives every reader bytes of its own, as a disk does, and counts the reads. */
let served = 0;
class Copying extends Xlator {
  override async readv(...args: Parameters<NonNullable<Xlator['readv']>>): ReturnType<NonNullable<Xlator['readv']>> {
    served++;
    const reply = await this.child.readv(...args);
    const copy = IoVec.from(Buffer.from(reply.vector.toUint8Array()));
    reply.vector.unref();
    return { ...reply, vector: copy };
  }
}
const copying: XlatorDefinition = { type: 'test/copying', options: [], create: (context) => new Copying(context) };

const graphs: Graph[] = [];
afterEach(async () => {
  for (const graph of graphs.splice(0).reverse()) await graph.fini();
});

async function join(port: number, platform: Platform): Promise<GraphDriver> {
  const graph = await testGraph(`volume client\n type protocol/client\n option remote-subvolume brick\n option remote-host 127.0.0.1\n option remote-port ${port}\nend-volume\n`, client, { platform });
  graphs.push(graph);
  const driver = new GraphDriver(graph.topSubvolume, graph, FRAME);
  await driver.root();
  return driver;
}

/** This platform with a network that remembers its last connection. */
function watched(platform: Platform): { platform: Platform; transport(): Transport } {
  let last: Transport | undefined;
  const network: Network = {
    connect: (...args) => (last = platform.network.connect(...args)),
    listen: (...args) => platform.network.listen(...args),
  };
  return {
    platform: { ...platform, network },
    transport: () => {
      if (!last) throw new Error('not connected');
      return last;
    },
  };
}

const real = createPlatform();
const networks: [string, Platform][] = [['portable', { ...real, network: createPortableNetwork() }]];
if (real.portable) console.warn('the native network is not tested: no addon');
else networks.push(['native', real]);

describe.each(networks)('a client that stops reading its socket (%s network)', (_name, platform) => {
  it('is held back by limits, not by memory, and others are served meanwhile', async () => {
    const port = await freePort();
    graphs.push(await testGraph(
      `volume store\n type storage/memory\n option size 0\nend-volume\nvolume brick\n type test/copying\n subvolumes store\nend-volume\nvolume server\n type protocol/server\n option transport.socket.listen-port ${port}\n option auth.addr.brick.allow *\n subvolumes brick\nend-volume\n`,
      [...memory, ...server, copying], { platform },
    ));
    const other = await join(port, platform);
    const stuckPlatform = watched(platform);
    const stuck = await join(port, stuckPlatform.platform);
    await other.writeFile('/f', Buffer.alloc(MIB, 'x'));
    const fd = await stuck.open('/f', OpenFlag.RDONLY);
    const otherFd = await other.open('/f', OpenFlag.RDONLY);

    served = 0;
    const rss = process.memoryUsage().rss;
    const transport = stuckPlatform.transport();
    transport.pause();
    let answered = 0;
    const reads = Array.from({ length: READS }, async () => {
      const { vector } = await stuck.subvolume.readv(FRAME, fd, MIB, 0, 0, undefined);
      answered += vector.size;
      vector.unref();
    });
    const all = Promise.all(reads);
    all.catch(() => undefined);
    const rounds = 200;
    for (let i = 0; i < rounds; i++) {
      const { vector } = await other.subvolume.readv(FRAME, otherFd, 4096, 0, 0, undefined);
      expect(vector.size).toBe(4096);
      vector.unref();
    }
    const growth = process.memoryUsage().rss - rss;
    expect(served - rounds).toBeGreaterThan(0);
    expect(served - rounds).toBeLessThan(SERVED_MAX);
    expect(growth).toBeLessThan(GROWTH_MAX);
    expect(answered).toBe(0);

    transport.resume();
    await all;
    expect(answered).toBe(READS * MIB);
    fd.unref();
    otherFd.unref();
  }, 60_000);

  it('leaves nothing behind when it dies with its calls waiting', async () => {
    const port = await freePort();
    const brick = await testGraph(
      `volume store\n type storage/memory\n option size 0\nend-volume\nvolume brick\n type test/copying\n subvolumes store\nend-volume\nvolume server\n type protocol/server\n option transport.socket.listen-port ${port}\n option auth.addr.brick.allow *\n subvolumes brick\nend-volume\n`,
      [...memory, ...server, copying], { platform },
    );
    graphs.push(brick);
    const stuckPlatform = watched(platform);
    const stuck = await join(port, stuckPlatform.platform);
    await stuck.writeFile('/f', Buffer.alloc(MIB, 'x'));
    const fd = await stuck.open('/f', OpenFlag.RDONLY);
    served = 0;
    stuckPlatform.transport().pause();
    const reads = Array.from({ length: READS }, () => stuck.subvolume.readv(FRAME, fd, MIB, 0, 0, undefined).then(() => 'answered', () => 'lost'));
    const other = await join(port, platform);
    expect(served).toBeLessThan(SERVED_MAX);
    stuckPlatform.transport().destroy();
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['lost']));
    // The brick goes on, and begins none of the calls that waited.
    expect((await other.readFile('/f')).length).toBe(MIB);
    expect(served).toBeLessThan(SERVED_MAX);
    fd.unref();
  }, 60_000);
});
