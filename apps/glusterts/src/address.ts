import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

export const GLUSTERD_PORT = 24007;
/** Tried in this order when the usual one is taken everywhere. */
const OTHER_PORTS = Array.from({ length: 20 }, (_, i) => 24107 + i);

/** Whether a port of an address is free on this machine. */
export async function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Whether someone listens on a unix socket. */
export async function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = net.connect(socket);
    connection.once('error', () => resolve(false));
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
  });
}

/** Whether this machine has GlusterFS's own glusterd: it listens on every address, and doesn't start when one is taken. */
function isGlusterInstalled(): boolean {
  return ['/usr/sbin', '/usr/local/sbin', ...(process.env['PATH'] ?? '').split(':')].some((directory) => directory !== '' && existsSync(path.join(directory, 'glusterd')));
}

export interface PoolAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST` or `HOST:PORT`. */
function readAddress(file: string): PoolAddress | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
  const match = /^([\d.]+)(?::(\d+))?$/.exec(text);
  if (!match?.[1]) throw new Error(`${file} has no address: ${text}`);
  return { host: match[1], port: match[2] === undefined ? GLUSTERD_PORT : Number(match[2]) };
}

/**
 * Where the pool's glusterd listens: where it did before, or at the first of 127.1.1.1 … 127.1.1.250 whose glusterd port is free.
 * Where the machine's own glusterd has that port on every address, or is installed and may want it later, another port. A pool keeps its host, which its bricks have in
 * their names; its port may change.
 */
export async function poolAddress(dir: string): Promise<PoolAddress> {
  const file = path.join(dir, 'address');
  const former = readAddress(file);
  if (former && (await isFree(former.host, former.port))) return former;
  const hosts = former ? [former.host] : Array.from({ length: 250 }, (_, i) => `127.1.1.${i + 1}`);
  for (const port of former || !isGlusterInstalled() ? [GLUSTERD_PORT, ...OTHER_PORTS] : OTHER_PORTS) {
    for (const host of hosts) {
      if (!(await isFree(host, port))) continue;
      writeFileSync(file, `${host}:${port}\n`);
      return { host, port };
    }
  }
  throw new Error(`no port for glusterd is free on ${hosts.length === 1 ? String(hosts[0]) : '127.1.1.1 to 127.1.1.250'}`);
}
