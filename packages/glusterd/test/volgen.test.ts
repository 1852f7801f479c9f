import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { localStoreFiles } from '../src/platform/local-store-files.js';
import { volumeChecksum } from '../src/store/checksum.js';
import { VolumeStore } from '../src/store/volume-store.js';
import { volumeVolfiles } from '../src/volgen/volume-volfiles.js';

const vectors = join(import.meta.dirname, 'vectors/one-node');
interface Vector { title: string; files: Record<string, string> }
const read = (file: string): Vector => JSON.parse(readFileSync(join(vectors, file), 'utf8'));
const volumes = readdirSync(vectors).filter((file) => file !== 'daemons.json');

let workdir: string;
beforeEach(() => {
  workdir = mkdtempSync(join(tmpdir(), 'glusterd-'));
});
afterEach(() => rmSync(workdir, { recursive: true }));

function unpack(files: Record<string, string>): string {
  let name = '';
  for (const [path, text] of Object.entries(files)) {
    if (typeof text !== 'string') continue;
    mkdirSync(dirname(join(workdir, path)), { recursive: true });
    writeFileSync(join(workdir, path), text, 'latin1');
    name = /^vols\/([^/]+)\//.exec(path)?.[1] ?? name;
  }
  return name;
}

describe.each(volumes)('the store of a real volume: %s', (file) => {
  const { files } = read(file);

  test('volgen makes every volfile byte for byte', () => {
    const name = unpack(files);
    const volume = new VolumeStore(localStoreFiles, workdir, 49152).restore(name, () => undefined);
    // `info` lists newest first and is read back oldest first, so reading reverses; the volfiles don't depend on it.
    const uuid = /UUID=(.*)/.exec(files['glusterd.info'] ?? '')?.[1] ?? volume.bricks[0]?.uuid ?? '';
    const made = volumeVolfiles(volume, { workdir: '/var/lib/glusterd', opVersion: 100000, uuid });
    for (const [path, text] of Object.entries(files)) {
      const own = /^vols\/[^/]+\/([^/]+\.vol)$/.exec(path)?.[1];
      if (own === undefined || own.includes('snapd') || own.includes('.client.')) continue;
      expect(made.get(own), own).toBe(text);
      made.delete(own);
    }
    expect([...made.keys()]).toEqual([]);
  });

  test('what is restored is stored with the same bytes, but for the order of options', () => {
    const name = unpack(files);
    const store = new VolumeStore(localStoreFiles, workdir, 49152);
    const volume = store.restore(name, () => undefined);
    volume.options = new Map([...volume.options].reverse());
    const again = mkdtempSync(join(tmpdir(), 'glusterd-'));
    new VolumeStore(localStoreFiles, again, 49152).store(volume, 100000);
    for (const [path, text] of Object.entries(files)) {
      if (!path.startsWith('vols/') || path.endsWith('.vol') || path.includes('quota')) continue;
      expect(readFileSync(join(again, path), 'latin1'), path).toBe(text);
    }
    rmSync(again, { recursive: true });
  });
});

test('the checksum that peers compare goes on over the cksum file', () => {
  const info = read('rep3.json').files['vols/rep3/info'] ?? '';
  expect(volumeChecksum(info)).toEqual({ file: 1530940053, wire: 1004308161 });
});
