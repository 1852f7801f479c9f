import { readFileSync, readdirSync } from 'node:fs';
import { type Graph, OpenFlag, nativeAddonPath, portableForced } from '@glusterts/libglusterfs';
import { GraphDriver } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientGraph, freePort, serverGraph } from './pair.js';

const missing = portableForced() ? 'GLUSTERTS_PORTABLE=1' : nativeAddonPath() === undefined ? 'the native addon is not built' : undefined;
if (missing) console.warn(`event-threads on live graphs skipped: ${missing}`);

const MIB = 1 << 20;

/** Threads of this process that move payloads; another graph of it may have none. */
const threads = (): number => readdirSync('/proc/self/task').filter((task) => {
  try {
    return readFileSync(`/proc/self/task/${task}/comm`, 'utf8').startsWith('glfs_epoll');
  } catch {
    return false; // gone since
  }
}).length;

describe.skipIf(missing !== undefined)('event-threads', () => {
  let server: Graph;
  let client: Graph;
  let driver: GraphDriver;
  let port = 0;
  let connections = 0;
  const clientText = (option: string): string => `volume client\n type protocol/client\n option remote-subvolume brick\n option remote-host 127.0.0.1\n option remote-port ${port}\n option transport.socket.local-path off\n${option}end-volume\n`;
  const serverText = (option: string): string => `volume brick\n type storage/memory\n option size 0\nend-volume\nvolume server\n type protocol/server\n option transport.socket.listen-port ${port}\n option auth.addr.brick.allow *\n${option} subvolumes brick\nend-volume\n`;
  beforeAll(async () => {
    port = await freePort();
    server = await serverGraph(`transport.socket.listen-port ${port}`);
    client = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`, 'transport.socket.local-path off');
    driver = new GraphDriver(client.topSubvolume, client);
    connections = server.top.connectedClients?.().length ?? 0;
  });
  afterAll(async () => {
    await client.fini();
    await server.fini();
  });

  async function writesAndReads(fill: number): Promise<void> {
    const bytes = Buffer.alloc(3 * MIB, fill);
    await driver.writeFile(`/f${fill}`, bytes);
    const fd = await driver.open(`/f${fill}`, OpenFlag.RDONLY);
    for (let offset = 0; offset < bytes.length; offset += MIB) expect(Buffer.from(await driver.read(fd, MIB, offset)).equals(bytes.subarray(offset, offset + MIB))).toBe(true);
    await driver.close(fd);
  }

  it('that nobody has set are none besides the loop, and are added and retired on live graphs, which stay connected', async () => {
    expect(threads()).toBe(0);
    await writesAndReads(1);
    expect(await client.reconfigure(clientText(' option event-threads 4\n'))).toBe('reconfigured');
    await expect.poll(threads).toBe(3);
    await writesAndReads(2);
    expect(await server.reconfigure(serverText(' option event-threads 2\n'))).toBe('reconfigured');
    expect(await client.reconfigure(clientText(' option event-threads 1\n'))).toBe('reconfigured');
    await expect.poll(threads).toBe(1);
    await writesAndReads(3);
    expect(await server.reconfigure(serverText(''))).toBe('reconfigured');
    await expect.poll(threads).toBe(0);
    await writesAndReads(4);
    expect(server.top.connectedClients?.().length).toBe(connections);
  });

  it('out of their range are refused, and nothing changes', async () => {
    await expect(client.reconfigure(clientText(' option event-threads 33\n'))).rejects.toThrow(/out of range \[1 - 32\]/);
    await expect(server.reconfigure(serverText(' option event-threads 1025\n'))).rejects.toThrow(/out of range \[1 - 1024\]/);
    expect(threads()).toBe(0);
  });
});
