import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ourGluster, ourGlusterd, ourGlusterfs, ourGlusterfsd, PrivateHost, whyNoHost } from './private-host.js';

interface Entry {
  readonly path: string;
  readonly mode: string;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly blocks: number;
  readonly atime_ns: string;
  readonly mtime_ns: string;
  readonly ctime_ns: string;
  readonly ino: string;
  readonly xattrs: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly rdev?: readonly number[];
}
interface Tree {
  readonly entries: readonly Entry[];
  readonly virtual_xattrs: Readonly<Record<string, string>>;
  readonly statvfs_client: readonly number[];
  readonly statvfs_backend: readonly number[];
}

/** Blocks that the mount shows as free fewer than the brick's file system has, and whether all else is the same. */
function reserve({ statvfs_client: client, statvfs_backend: backend }: Tree): object {
  const [, , blocks = 0, free = 0] = backend;
  const others = [0, 1, 2, 5].map((at) => client[at] === backend[at]);
  // Others use the file system too: a few blocks may go or come between the two calls.
  return { others, percent: Math.round(((free - (client[3] ?? 0)) * 100) / blocks), available: Math.abs((client[4] ?? 0) - (backend[4] ?? 0)) < blocks / 200 };
}

const vectors = join(import.meta.dirname, 'vectors/brick');
const recorded: Tree = JSON.parse(readFileSync(join(vectors, 'client.json'), 'utf8'));
const volfile = readFileSync(join(vectors, 'brick-volfile-10.3.vol'), 'utf8');

function whyNoTools(): string | undefined {
  for (const tool of ['setfattr', 'setfacl', 'fallocate']) {
    if (!['/usr/bin', '/bin', '/usr/sbin'].some((directory) => isExecutable(join(directory, tool)))) return `needs ${tool}`;
  }
  return isExecutable('/dev/fuse', constants.R_OK) ? undefined : 'needs /dev/fuse';
}

function isExecutable(path: string, mode = constants.X_OK): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

const reason = whyNoHost() ?? whyNoTools();
if (reason !== undefined) console.warn(`a volume of our own programs beside the recording: skipped: ${reason}`);

/** UUIDs of one run in the order of their first appearance. */
function numberUuids(text: string): string {
  const seen: string[] = [];
  return text.replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (uuid) => {
    if (!seen.includes(uuid)) seen.push(uuid);
    return `UUID${seen.indexOf(uuid)}`;
  });
}

/** The inode number that a client shows for a gfid: its last eight bytes. */
const inodeNumber = (gfid: string): string => (gfid === '00000000-0000-0000-0000-000000000001' ? '1' : String(BigInt(`0x${gfid.replaceAll('-', '').slice(16)}`)));

/** A time that ops.sh set itself; the others are those of the run, of which only which are equal can be compared. */
const SET_TIME = '981173106789000000';

function comparable(entry: Entry, tree: Tree): object {
  const { path, mode, nlink, uid, gid, size, blocks, xattrs, target, rdev, mtime_ns: mtime, ctime_ns: ctime, ino } = entry;
  const isDirectory = mode.startsWith('0o4');
  return {
    path, mode, nlink, uid, gid, xattrs, target, rdev,
    // A directory's own size is the brick's file system's.
    size: isDirectory ? 'any' : size,
    blocks: isDirectory ? 'any' : blocks,
    mtime: mtime === SET_TIME ? mtime : 'of the run',
    // fallocate and rename leave two moments: whether they differ is up to the clock.
    order: BigInt(mtime) <= BigInt(ctime) || BigInt(mtime) - BigInt(ctime) < 1_000_000_000n,
    sameInode: tree.entries.filter((other) => other.ino === ino).map((other) => other.path),
  };
}

describe.skipIf(reason !== undefined)('a volume made, served and mounted by our own programs, after ops.sh', () => {
  const host = new PrivateHost('brkb');
  let tree: Tree;
  let brickVolfile = '';

  beforeAll(() => {
    const probes = JSON.stringify(Object.keys(recorded.virtual_xattrs));
    const output = host.run(`
export GLUSTERTS_GLUSTERFSD=${JSON.stringify(ourGlusterfsd)}
${ourGlusterd}
for i in $(seq 200); do ${ourGluster} pool list >/dev/null 2>&1 && break; sleep 0.05; done
${ourGluster} volume create gv brkb:/d/b1 force && ${ourGluster} volume start gv
mkdir -p /mnt/gv; ${JSON.stringify(ourGlusterfs)} --acl --attribute-timeout=0 --entry-timeout=0 -s brkb --volfile-id gv /mnt/gv
cat /var/lib/glusterd/vols/gv/gv.brkb.d-b1.vol
(
${readFileSync(join(vectors, 'ops.sh'), 'utf8')}
) >/run/ops 2>&1
cat /run/ops
echo "@@@"
node ${JSON.stringify(join(import.meta.dirname, 'tree-listing.mjs'))} /mnt/gv /d '${probes}'
`);
    const [before = '', listing = ''] = output.split('@@@\n');
    brickVolfile = before.slice(before.indexOf('volume gv-posix'), before.lastIndexOf('end-volume\n') + 'end-volume\n'.length);
    try {
      tree = JSON.parse(listing.slice(listing.indexOf('{')));
    } catch {
      throw new Error(`no listing: ${output}`);
    }
  }, 300_000);
  afterAll(() => host.close());

  test('glusterd writes the brick’s volfile as recorded', () => {
    expect(numberUuids(brickVolfile)).toBe(numberUuids(volfile));
  });

  test('the mount shows the recorded names, modes, owners, sizes, blocks, links, targets and xattrs', () => {
    expect(tree.entries.map((entry) => comparable(entry, tree))).toEqual(recorded.entries.map((entry) => comparable(entry, recorded)));
  });

  test('statfs of the mount differs from the brick’s by the reserve alone', () => {
    expect(reserve(tree)).toEqual(reserve(recorded));
  });

  test('virtual xattrs have the recorded values, and inode numbers come from the gfid', () => {
    expect(Object.keys(tree.virtual_xattrs)).toEqual(Object.keys(recorded.virtual_xattrs));
    for (const [key, expected] of Object.entries(recorded.virtual_xattrs)) {
      const value = tree.virtual_xattrs[key] ?? '';
      if (key.endsWith(' glusterfs.gfid.string')) {
        const path = key.slice(0, key.lastIndexOf(' ')) || '/';
        expect(tree.entries.find((entry) => entry.path === path)?.ino, path).toBe(inodeNumber(value));
      } else if (key.endsWith(' glusterfs.gfidtopath')) {
        // In the order of the xattrs on the disk, which have names hashed from gfids: another in every run.
        expect(value.split(':').sort(), key).toEqual(expected.split(':').sort());
      } else expect(value, key).toBe(expected);
    }
  });
});
