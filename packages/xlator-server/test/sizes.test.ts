import { Errno, type Graph, OpenFlag } from '@glusterts/libglusterfs';
import { GraphDriver, expectErrno } from '@glusterts/xlator-compliance';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientGraph, freePort, serverGraph } from './pair.js';

const U32_MAX = 2 ** 32 - 1;
const I32_MAX = 2 ** 31 - 1;

describe('sizes and counts from the wire', () => {
  let server: Graph;
  let client: Graph;
  let driver: GraphDriver;
  beforeAll(async () => {
    const port = await freePort();
    server = await serverGraph(`transport.socket.listen-port ${port}`);
    client = await clientGraph('remote-host 127.0.0.1', `remote-port ${port}`);
    driver = new GraphDriver(client.topSubvolume, client);
    await driver.writeFile('/f', Buffer.from('some data'));
  });
  afterAll(async () => {
    await client.fini();
    await server.fini();
  });

  it('READ and RCHECKSUM of more than 128 MiB are refused before any memory is taken', async () => {
    const fd = await driver.open('/f', OpenFlag.RDONLY);
    const before = process.memoryUsage().arrayBuffers;
    for (const size of [U32_MAX, I32_MAX, (128 << 20) + 1]) await expectErrno(driver.subvolume.readv(driver.frame, fd, size, 0, 0, undefined), Errno.EINVAL);
    for (const length of [I32_MAX, (128 << 20) + 1]) await expectErrno(driver.subvolume.rchecksum(driver.frame, fd, 0, length, undefined), Errno.EINVAL);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
    expect(Buffer.from(await driver.read(fd, 1 << 20, 0)).toString()).toBe('some data');
    await driver.close(fd);
  });

  it('a listing for any number of bytes is answered', async () => {
    for (const size of [U32_MAX, I32_MAX]) expect((await driver.list('/', size)).map(({ name }) => name)).toEqual(['f']);
    const fd = await driver.open('/', OpenFlag.RDONLY);
    expect((await driver.subvolume.readdir(driver.frame, fd, U32_MAX, 0n, undefined)).entries.length).toBeGreaterThan(0);
    await driver.close(fd);
  });
});
