import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SWITCHES, switched } from '../../../tools/switched/volfile.mjs';
import { localStoreFiles } from '../src/platform/local-store-files.js';
import { VolumeStore } from '../src/store/volume-store.js';
import { volumeVolfiles } from '../src/volgen/volume-volfiles.js';

/** The volfiles of a real volume, with these of its options set besides. */
function volfiles(vector: string, options: readonly [string, string][]): Map<string, string> {
  const { files }: { files: Record<string, string> } = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/one-node', vector), 'utf8'));
  const workdir = mkdtempSync(join(tmpdir(), 'glusterd-'));
  try {
    let name = '';
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(workdir, path)), { recursive: true });
      writeFileSync(join(workdir, path), text, 'latin1');
      name = /^vols\/([^/]+)\//.exec(path)?.[1] ?? name;
    }
    const volume = new VolumeStore(localStoreFiles, workdir, 49152).restore(name, () => undefined);
    for (const [key, value] of options) volume.options.set(key, value);
    return volumeVolfiles(volume, { workdir: '/var/lib/glusterd', opVersion: 100000, uuid: volume.bricks[0]?.uuid ?? '' });
  } finally {
    rmSync(workdir, { recursive: true });
  }
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
const OPTION = new Map([['md-cache', 'stat-prefetch'], ['io-threads', 'client-io-threads']]);

describe.each(['dist3.json', 'disp.json'])('`npm run test:switched` makes of the volfile of %s what glusterd makes of the option', (vector) => {
  const usual = volfiles(vector, []);
  const mount = [...usual.keys()].find((name) => /^trusted-[^.]+\.tcp-fuse\.vol$/.test(name)) ?? '';

  test.each([...SWITCHES])('%s, which is %s by default', (name, preset) => {
    const wanted = volfiles(vector, [[`performance.${OPTION.get(name) ?? name}`, preset === 'on' ? 'off' : 'on']]).get(mount) ?? '';
    expect(lines(switched(usual.get(mount) ?? '', name) ?? '')).toEqual(lines(wanted));
  });

  test('two at once', () => {
    const wanted = volfiles(vector, [['performance.quick-read', 'off'], ['performance.nl-cache', 'on']]).get(mount) ?? '';
    expect(lines(switched(usual.get(mount) ?? '', 'quick-read+nl-cache') ?? '')).toEqual(lines(wanted));
  });

  test('what is switched already stays so', () => {
    const text = volfiles(vector, [['performance.write-behind', 'off'], ['performance.io-cache', 'on']]).get(mount) ?? '';
    expect(switched(text, 'write-behind')).toBeUndefined();
    expect(switched(text, 'io-cache')).toBeUndefined();
  });

  test('of a brick: io-threads goes, and it tells of changes for nl-cache', () => {
    const [brick = '', text = ''] = [...usual].find(([name]) => /^[^.]+\.[^/]+-d-|^[^.]+\.[^.]+\./.test(name) && !name.includes('tcp-fuse')) ?? [];
    expect(text, brick).toContain('type storage/posix');
    expect(switched(text, 'io-threads')).not.toContain('io-threads');
    expect(lines(switched(text, 'nl-cache') ?? '').sort()).toEqual(lines(volfiles(vector, [['features.cache-invalidation', 'on']]).get(brick) ?? '').sort());
    expect(switched(text, 'write-behind')).toBeUndefined();
  });

  test('other volfiles stay as they are', () => {
    const others = [...usual].filter(([name]) => /shd|rebalance/.test(name));
    for (const [file, text] of others) for (const name of SWITCHES.keys()) expect(switched(text, name), file).toBeUndefined();
  });
});
