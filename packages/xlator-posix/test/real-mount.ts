import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { volfile } from './brick-harness.js';

/** Why the real GlusterFS can't be mounted here; undefined when it can. */
export function whyNoRealMount(): string | undefined {
  if (process.getuid?.() !== 0) return 'mounting needs root';
  if (!existsSync('/dev/fuse')) return 'there is no /dev/fuse';
  if (spawnSync('glusterfs', ['--version']).status !== 0) return 'the real glusterfs is not installed';
  if (spawnSync('unshare', ['-m', 'true']).status !== 0) return 'mount namespaces are not allowed';
  return undefined;
}

/** An entry as a mount shows it, in find's words: times as seconds with a fraction. */
export interface Seen {
  ino: string;
  mode: string;
  nlink: number;
  uid: number;
  gid: number;
  size: number;
  blocks: number;
  atime: string;
  mtime: string;
  ctime: string;
  target: string;
}

/**
 * Mounts a brick's directory with the real GlusterFS (posix, access-control, locks, utime in one process, in a mount
 * namespace of its own), runs a bash script in the mount, and answers the script's output.
 */
export function inRealMount(brick: string, script: string): string {
  const work = mkdtempSync(path.join(os.tmpdir(), 'posix-real-'));
  try {
    writeFileSync(
      path.join(work, 'real.vol'),
      volfile({ type: 'storage/posix', options: { directory: brick } }, { type: 'features/access-control' }, { type: 'features/locks' }, { type: 'features/utime' }),
    );
    writeFileSync(path.join(work, 'script.sh'), script);
    const outer = `
      set -e
      mkdir ${work}/mnt
      glusterfs -f ${work}/real.vol --log-file=${work}/log --acl --attribute-timeout=0 --entry-timeout=0 ${work}/mnt
      for i in $(seq 100); do mountpoint -q ${work}/mnt && break; sleep 0.05; done
      cd ${work}/mnt
      status=0; bash ${work}/script.sh || status=$?
      cd /; umount ${work}/mnt
      exit $status`;
    return execFileSync('unshare', ['-m', 'bash', '-c', outer], { encoding: 'utf8', maxBuffer: 1 << 26 });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Lists everything below the working directory. */
export const LIST = "find . -printf '%P\\t%i\\t%m %y\\t%n\\t%U\\t%G\\t%s\\t%b\\t%A@\\t%T@\\t%C@\\t%l\\n'";

export function parseList(text: string): Map<string, Seen> {
  const seen = new Map<string, Seen>();
  for (const line of text.split('\n')) {
    const [name, ino, mode, nlink, uid, gid, size, blocks, atime, mtime, ctime, target] = line.split('\t');
    if (name === undefined || target === undefined) continue;
    seen.set(`/${name}`, {
      ino: ino ?? '', mode: mode ?? '', nlink: Number(nlink), uid: Number(uid), gid: Number(gid), size: Number(size), blocks: Number(blocks),
      atime: atime ?? '', mtime: mtime ?? '', ctime: ctime ?? '', target,
    });
  }
  return seen;
}
