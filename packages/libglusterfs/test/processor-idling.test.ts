import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const addonPath = path.resolve(import.meta.dirname, '../native/build/Release/glusterts_native.node');
const missing = process.env['GLUSTERTS_PORTABLE'] === '1' ? 'GLUSTERTS_PORTABLE=1' : existsSync(addonPath) ? undefined : 'the native addon is not built';
if (missing) console.warn(`tests of idle processors skipped: ${missing}`);

/** Microseconds that waking up may take: what has been written to /dev/cpu_dma_latency. */
const AWAKE = 0;
const ANY = 2_000_000_000;

describe.skipIf(missing !== undefined)('idle processors', () => {
  let folder: string;
  let preload: string;
  let number = 0;

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'idling-'));
    preload = path.join(folder, 'idling.so');
    execFileSync('cc', ['-shared', '-fPIC', '-o', preload, path.join(import.meta.dirname, 'processor-idling.c'), '-ldl']);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What a daemon asks of Linux that has so many round trips, each time followed by silence. */
  function asked(counts: readonly number[], { driver = 'haltpoll', processors = 2, device = true, wanted }: { driver?: string; processors?: number; device?: boolean; wanted?: string } = {}): number[] {
    const idling = path.join(folder, String(number++));
    const file = path.join(idling, 'device');
    mkdirSync(idling);
    writeFileSync(path.join(idling, 'driver'), `${driver}\n`);
    if (device) writeFileSync(file, '');
    const env = { ...process.env, LD_PRELOAD: preload, IDLING_DIR: idling, IDLING_PROCESSORS: String(processors), ...(wanted === undefined ? {} : { GLUSTERTS_IDLE_POLL: wanted }) };
    const output = execFileSync(process.execPath, [path.join(import.meta.dirname, 'processor-idling.mjs'), path.join(idling, 'socket'), ...counts.map(String)], { env, encoding: 'latin1', timeout: 30_000 });
    expect(output.match(/quiet after/g)).toHaveLength(counts.length);
    if (!device) {
      expect(existsSync(file)).toBe(false);
      return [];
    }
    const bytes = readFileSync(file);
    return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readInt32LE(i * 4));
  }

  it('don\'t halt while requests come one after the other, and may when nothing comes', () => {
    expect(asked([2000])).toEqual([AWAKE, ANY]);
    expect(asked([2000, 2000])).toEqual([AWAKE, ANY, AWAKE, ANY]);
  });

  it('are left alone by a few requests', () => {
    expect(asked([4, 4, 4])).toEqual([]);
  });

  it('are left alone where they don\'t leave a virtual machine, where there are many of them, and when told so', () => {
    expect(asked([2000], { driver: 'intel_idle' })).toEqual([]);
    expect(asked([2000], { processors: 64 })).toEqual([]);
    expect(asked([2000], { wanted: '0' })).toEqual([]);
  });

  it('are left alone where the device isn\'t there', () => {
    expect(asked([2000], { device: false })).toEqual([]);
  });
});
