import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Graph } from '@glusterts/libglusterfs';
import { complianceSuite } from '@glusterts/xlator-compliance';
import { afterAll } from 'vitest';
import { clientGraph, freePort, serverGraph } from './pair.js';

const servers: Graph[] = [];
const dir = mkdtempSync(join(tmpdir(), 'server-'));

afterAll(async () => {
  for (const server of servers) await server.fini();
  rmSync(dir, { recursive: true, force: true });
});

complianceSuite({
  name: 'storage/memory behind protocol/server, over TCP',
  makeGraph: async () => {
    const port = await freePort();
    servers.push(await serverGraph(`transport.socket.listen-port ${port}`));
    return clientGraph('remote-host 127.0.0.1', `remote-port ${port}`);
  },
});

complianceSuite({
  name: 'storage/memory behind protocol/server, over a unix socket',
  makeGraph: async () => {
    const path = join(dir, 'socket');
    servers.push(await serverGraph(`transport.socket.listen-path ${path}`));
    return clientGraph(`transport.socket.connect-path ${path}`);
  },
  randomOperations: 50,
  manyEntries: 200,
});
