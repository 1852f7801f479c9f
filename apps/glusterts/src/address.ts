import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

export const GLUSTERD_PORT = 24007;

/** Whether a port of an address is free on this machine. */
async function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * The loopback address of the pool: the one that it had before (volumes are named after it), or the first of 127.1.1.1 …
 * 127.1.1.250 whose glusterd port is free. Throws when the former address is taken, or all are.
 */
export async function poolAddress(dir: string): Promise<string> {
  const file = path.join(dir, 'address');
  let former: string | undefined;
  try {
    former = readFileSync(file, 'utf8').trim();
  } catch {
    // A new pool.
  }
  if (former !== undefined) {
    if (await isFree(former, GLUSTERD_PORT)) return former;
    throw new Error(`${former}:${GLUSTERD_PORT} is in use: is this pool running already?`);
  }
  for (let i = 1; i <= 250; i++) {
    const host = `127.1.1.${i}`;
    if (await isFree(host, GLUSTERD_PORT)) {
      writeFileSync(file, `${host}\n`);
      return host;
    }
  }
  throw new Error(`port ${GLUSTERD_PORT} is taken on all of 127.1.1.1 to 127.1.1.250`);
}
