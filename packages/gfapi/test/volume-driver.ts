// Uses volumes of a real glusterd; real-volumes.test.ts bundles it and runs it in the host's namespaces. One JSON object on stdout.
import { createHash, randomBytes } from 'node:crypto';
import { type XlatorDefinition, XlatorLoader, createPlatform } from '@glusterts/libglusterfs';
import * as client from '@glusterts/xlator-client';
import * as debug from '@glusterts/xlator-debug';
import * as dht from '@glusterts/xlator-dht';
import * as ec from '@glusterts/xlator-ec';
import * as perf from '@glusterts/xlator-perf';
import * as utime from '@glusterts/xlator-utime';
import { Volume } from '../src/index.js';

const [host = '', name = '', volfile] = process.argv.slice(2);
const platform = createPlatform();
const loader = new XlatorLoader({ from: [] });
for (const module of [client, debug, dht, ec, perf, utime]) if ('xlators' in module) loader.add(...(module.xlators as readonly XlatorDefinition[]));

const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

async function run(): Promise<unknown> {
  if (name === 'absent') {
    const error = await Volume.connect(host, name, { platform, loader }).catch((failure: unknown) => failure);
    return { code: error instanceof Error && 'code' in error ? error.code : String(error) };
  }
  const missing: string[] = [];
  for (const type of ['cluster/distribute', ...(name === 'disp' ? ['cluster/disperse'] : [])]) if (!volfile && !(await loader.find(type))) missing.push(type);
  if (missing.length > 0) return { missing };
  const volume = await Volume.connect(host, name, { platform, loader, ...(volfile ? { volfile } : {}) });
  const data = randomBytes(5_000_001);
  await volume.mkdir('/a/b', { recursive: true });
  await volume.writeFile('/a/b/big', data);
  const same = (await volume.readFile('/a/b/big')).equals(data);
  for (let i = 0; i < 50; i++) await volume.writeFile(`/a/small-${i}`, `${i}`);
  await volume.symlink('b/big', '/a/link');
  await volume.rename('/a/small-0', '/a/renamed');
  await volume.link('/a/renamed', '/a/hard');
  await volume.setxattr('/a/renamed', 'user.x', 'y');
  await volume.truncate('/a/small-1', 100);
  const one = await volume.open('/a/link', 'r+');
  const two = await volume.open('/a/link', 'r+');
  await one.lock({ type: 'write', start: 5, length: 10 });
  const holder = await two.testLock({ type: 'read' });
  const refused = await two.lock({ type: 'read' }).catch((error: { code: string }) => error.code);
  const waiting = two.lock({ type: 'read' }, { wait: true });
  await one.unlock();
  await waiting;
  const at = Buffer.alloc(1000);
  await two.read(at, 0, 1000, 3_999_500);
  await one.write(Buffer.from('patch'), 4_000_000);
  await one.close();
  await two.close();
  data.set(Buffer.from('patch'), 4_000_000);
  const result = {
    same, sha: sha(data), names: (await volume.readdir('/a')).length, nlink: (await volume.stat('/a/hard')).nlink,
    xattr: (await volume.getxattr('/a/hard', 'user.x')).toString(), size: (await volume.stat('/a/small-1')).size, holder, refused, absent: await volume.stat('/no').catch((error: { code: string }) => error.code),
    blocks: (await volume.statfs()).blocks > 0,
  };
  await volume.close();
  return { ...result, active: platform.iobufs.active };
}

process.stdout.write(`${JSON.stringify(await run().catch((error: unknown) => ({ failed: error instanceof Error ? `${error.stack} ${String(error.cause)}` : String(error) })))}\n`);
process.exit(0);
