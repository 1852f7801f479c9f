import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Graph } from '@glusterts/libglusterfs';
import { xlators as client } from '@glusterts/xlator-client';
import { testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { xlators as server } from '../src/index.js';

/** A TCP port of the loopback device that nobody listens on. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A brick in memory behind protocol/server; `options` are lines of its volfile. */
export function serverGraph(listen: string, options: readonly string[] = ['auth.addr.brick.allow *']): Promise<Graph> {
  const lines = [listen, ...options].map((line) => ` option ${line}\n`).join('');
  return testGraph(`volume brick\n type storage/memory\n option size 0\nend-volume\nvolume server\n type protocol/server\n${lines} subvolumes brick\nend-volume\n`, [...memory, ...server]);
}

/** A graph of nothing but protocol/client. */
export function clientGraph(...options: readonly string[]): Promise<Graph> {
  const lines = options.map((line) => ` option ${line}\n`).join('');
  return testGraph(`volume client\n type protocol/client\n option remote-subvolume brick\n${lines}end-volume\n`, client);
}
