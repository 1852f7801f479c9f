import { type Bytes, EntrylkCmd, EntrylkType, Errno, Frame, type Graph, InodelkCmd, LkCmd, LkType, OpenFlag, errnoOf } from '@glusterts/libglusterfs';
import { GraphDriver } from '@glusterts/xlator-compliance';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientGraph, freePort, serverGraph } from './pair.js';
import { RawConnection } from './raw-connection.js';

const DOMAIN = 'test-domain' as Bytes;
const OWNER = (name: string): Frame => new Frame({ pid: 77, lk_owner: name.padEnd(8, '.') as Bytes });
const whole = (type: LkType) => ({ type, whence: 0, start: 0n, len: 0n, pid: 77, owner: '' as Bytes });

describe('two clients of one brick', () => {
  let port = 0;
  let server: Graph;
  const clients: Graph[] = [];
  const join = async (): Promise<GraphDriver> => {
    const graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`);
    clients.push(graph);
    const driver = new GraphDriver(graph.topSubvolume, graph, OWNER(`client${clients.length}`));
    await driver.root();
    return driver;
  };
  /** Ends a client as its death would. */
  const leave = async (driver: GraphDriver): Promise<void> => {
    const graph = clients.find((client) => client.topSubvolume === driver.subvolume);
    await graph?.fini();
    if (graph) clients.splice(clients.indexOf(graph), 1);
  };

  beforeEach(async () => {
    port = await freePort();
    server = await serverGraph(`transport.socket.listen-port ${port}`);
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.fini();
    await server.fini();
  });

  it('gives a waiting inodelk to the other when its holder goes', async () => {
    const [a, b] = [await join(), await join()];
    await a.writeFile('/f', new Uint8Array(4));
    const atA = (await a.resolve('/f')).loc;
    const atB = (await b.resolve('/f')).loc;
    await a.subvolume.inodelk(a.frame, DOMAIN, atA, InodelkCmd.SETLK, whole(LkType.WRLCK), undefined);
    const refused: unknown = await b.subvolume.inodelk(b.frame, DOMAIN, atB, InodelkCmd.SETLK, whole(LkType.WRLCK), undefined).catch((error: unknown) => error);
    expect(errnoOf(refused)).toBe(Errno.EAGAIN);
    const waiting = b.subvolume.inodelk(b.frame, DOMAIN, atB, InodelkCmd.SETLKW, whole(LkType.WRLCK), undefined);
    await leave(a);
    await waiting;
  });

  it('gives a waiting entrylk to the other when its holder goes', async () => {
    const [a, b] = [await join(), await join()];
    const rootA = (await a.root()).loc;
    const rootB = (await b.root()).loc;
    await a.subvolume.entrylk(a.frame, DOMAIN, rootA, 'name' as Bytes, EntrylkCmd.LOCK, EntrylkType.WRLCK, undefined);
    const waiting = b.subvolume.entrylk(b.frame, DOMAIN, rootB, 'name' as Bytes, EntrylkCmd.LOCK, EntrylkType.WRLCK, undefined);
    await leave(a);
    await waiting;
  });

  it('drops the posix locks of a client that goes', async () => {
    const [a, b] = [await join(), await join()];
    await a.writeFile('/f', new Uint8Array(4));
    const fdA = await a.open('/f', OpenFlag.RDWR);
    const fdB = await b.open('/f', OpenFlag.RDWR);
    await a.subvolume.lk(a.frame, fdA, LkCmd.SETLK, whole(LkType.WRLCK), undefined);
    const waiting = b.subvolume.lk(b.frame, fdB, LkCmd.SETLKW, whole(LkType.WRLCK), undefined);
    await leave(a);
    await waiting;
    fdB.unref();
  });

  it('shows each what the other wrote', async () => {
    const [a, b] = [await join(), await join()];
    const data = Uint8Array.from({ length: 300_000 }, (_, i) => i % 251);
    await a.writeFile('/f', data);
    expect(Buffer.compare(await b.readFile('/f'), data)).toBe(0);
  });
});

it('answers ENOTCONN when the brick is gone', async () => {
  const port = await freePort();
  const listen = `transport.socket.listen-port ${port}`;
  const first = await serverGraph(listen);
  const graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`);
  const driver = new GraphDriver(graph.topSubvolume, graph, OWNER('client'));
  await driver.root();
  await first.fini();
  const down: unknown = await driver.root().catch((error: unknown) => error);
  expect(errnoOf(down)).toBe(Errno.ENOTCONN);
  await graph.fini();
}, 20_000);

describe('hostile records', () => {
  it('end their connection, and nobody else is hurt', async () => {
    const port = await freePort();
    const server = await serverGraph(`transport.socket.listen-port ${port}`);
    const graph = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`);
    const driver = new GraphDriver(graph.topSubvolume, graph, OWNER('client'));
    await driver.root();
    const bad = await RawConnection.open(port);
    // A record of 2 GiB less one byte.
    bad.write(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4));
    await bad.closed();
    await driver.writeFile('/f', new Uint8Array(10));
    expect((await driver.readFile('/f')).length).toBe(10);
    await graph.fini();
    await server.fini();
  });
});
