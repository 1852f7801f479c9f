// The calls of vectors/gfapi-behaviour.txt, as far as gfapi has them, on the volume `p` of the host that it runs on; the same
// lines on stdout. gfapi-behaviour.test.ts bundles it.
import { execFileSync } from 'node:child_process';
import { type XlatorDefinition, XlatorLoader, errnoMessage } from '@glusterts/libglusterfs';
import * as client from '@glusterts/xlator-client';
import * as debug from '@glusterts/xlator-debug';
import * as dht from '@glusterts/xlator-dht';
import * as performance from '@glusterts/xlator-perf';
import * as utime from '@glusterts/xlator-utime';
import { GfapiError, Volume } from '../../../../packages/gfapi/src/index.ts';

const [host = '', gluster = ''] = process.argv.slice(2);
const loader = new XlatorLoader({ from: [] });
for (const module of [client, debug, dht, performance, utime]) loader.add(...(module.xlators as readonly XlatorDefinition[]));

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** 0, or what the call failed with. */
async function errnoOfCall(call: () => Promise<unknown>): Promise<number> {
  try {
    await call();
    return 0;
  } catch (error) {
    if (error instanceof GfapiError) return -error.errno;
    throw error;
  }
}

async function run(): Promise<void> {
  for (const name of ['a.b', '/x']) say(`glfs_new ${name} -> NULL errno ${await errnoOfCall(() => Volume.connect(host, name, { loader }))}`);
  const absent = await errnoOfCall(() => Volume.connect(host, 'nosuch', { loader }));
  say(`init nosuch ret -1 errno ${absent} ${errnoMessage(absent)}`);
  const refused = await errnoOfCall(() => Volume.connect({ host, port: 9 }, 'p', { loader }));
  say(`init wrong port ret -1 errno ${refused} ${errnoMessage(refused)}`);
  const volume = await Volume.connect(host, 'p', { loader });
  say('init p ret 0 errno 0');
  say(`open missing -> NULL errno ${await errnoOfCall(() => volume.open('/missing', 'r+'))}`);
  say(`open dir rdwr -> NULL errno ${await errnoOfCall(() => volume.open('/', 'r+'))}`);
  const file = await volume.open('/f', 'wx+', 0o644);
  say(`write ${(await file.write('hello', 0)).bytesWritten}`);
  const buffer = Buffer.alloc(100);
  say(`pread ${(await file.read(buffer, 0, 100, 0)).bytesRead}`);
  const { size, blksize, dev, mode, gfid } = await file.stat();
  say(`fstat size ${size} blksize ${blksize} dev ${dev} mode ${mode.toString(8)}`);
  const other = await volume.open('/f', 'r+');
  await other.write('XY', 0);
  await other.close();
  const { bytesRead } = await file.read(buffer, 0, 100, 0);
  say(`pread ${buffer.toString('latin1', 0, bytesRead)}`);
  say(`handle len ${Buffer.from(gfid.replaceAll('-', ''), 'hex').length}`);
  execFileSync('bash', ['-c', `${gluster} volume set p performance.write-behind off`]);
  const errno = await errnoOfCall(() => file.write('after', 10));
  say(`pwrite after switch ${errno === 0 ? 5 : -1} errno ${errno}`);
  say(`pread ${(await file.read(buffer, 0, 100, 0)).bytesRead}`);
  say(`close ${await errnoOfCall(() => file.close())}`);
  say(`fini ret ${await errnoOfCall(() => volume.close())}`);
}

await run();
process.exit(0);
