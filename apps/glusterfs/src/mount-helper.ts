/** mount.glusterfs: what `mount -t glusterfs` runs. Its own path is the first argument. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bytes, localStorage, utf8 } from '@glusterts/libglusterfs';
import { glusterfsArguments, MountRefusal, readLine, readOptions, readSpec, refuseMountpoint } from './mount-options.js';

const EX_ALREADY = 32;
const EX_PLACE = 2;
const VOLUMES = '/var/lib/glusterd/vols';
const glusterfs = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../bin/glusterfs');

function isVolfile(spec: string): boolean {
  try {
    accessSync(spec, constants.R_OK);
    return statSync(spec).isFile();
  } catch {
    return false;
  }
}

/** A local brick below a directory. */
function brickBelow(directory: string): string | undefined {
  const list = (below: string): string[] => {
    try {
      return readdirSync(below).map((name) => path.join(below, name));
    } catch {
      return [];
    }
  };
  const bricks = list(VOLUMES).flatMap((volume) => list(path.join(volume, 'bricks'))).map((file) => /^path=(.*)$/m.exec(readFileSync(file, 'latin1'))?.[1] ?? '');
  return bricks.find((brick) => brick.startsWith(`${directory}/`) && statSync(brick, { throwIfNoEntry: false }) !== undefined);
}

/** Refuses a directory over which nothing may be mounted (spec/cli.md, §11, step 2). */
function checkMountpoint(program: string, mountpoint: string): void {
  if (mountpoint.startsWith('-o')) throw refuseMountpoint(program, 'options');
  if (statSync(mountpoint, { throwIfNoEntry: false })?.isDirectory() !== true) throw refuseMountpoint(program, 'absent');
  const place = path.resolve(mountpoint);
  const mounted = readFileSync('/proc/mounts', 'utf8').split('\n').some((line) => line.split(' ')[1] === place && line.split(' ')[2] === 'fuse.glusterfs');
  if (mounted) throw new MountRefusal(`${program}: according to mtab, GlusterFS is already mounted on ${mountpoint}`, EX_ALREADY);
  if (place === '/' || place === '/tmp') throw new MountRefusal(`Cannot mount over ${place === '/' ? 'root' : place}`, EX_PLACE);
  if (typeof localStorage().lgetxattr(utf8(place), 'trusted.gfid' as Bytes) !== 'number') throw new MountRefusal(`ERROR: ${mountpoint} is in use as a brick of a gluster volume`, EX_PLACE);
  const brick = brickBelow(place);
  if (brick !== undefined) throw new MountRefusal(`ERROR: ${mountpoint} is a parent of the brick ${brick}`, EX_PLACE);
}

function mount(program: string, argv: readonly string[]): number {
  const line = readLine(program, argv);
  if (line === 'version') return spawnSync(glusterfs, ['-V'], { stdio: 'inherit' }).status ?? 1;
  const { spec, mountpoint } = line;
  const options = readOptions(line.options);
  for (const warning of options.warnings) process.stderr.write(`${warning}\n`);
  const volume = isVolfile(spec) ? path.resolve(spec) : readSpec(program, mountpoint === '' ? '' : spec);
  checkMountpoint(program, mountpoint);
  if (spawnSync(glusterfs, glusterfsArguments(volume, mountpoint, options), { stdio: 'inherit' }).status !== 0) throw new MountRefusal(`Mounting glusterfs on ${mountpoint} failed.`, 1);
  try {
    statSync(mountpoint);
  } catch {
    spawnSync('umount', [mountpoint], { stdio: 'ignore' });
    throw new MountRefusal(`Mount failed. Check the log file ${options.given.get('log-file') ?? ''} for more details.`, 1);
  }
  return 0;
}

try {
  const [program = 'mount.glusterfs', ...argv] = process.argv.slice(2);
  process.exitCode = mount(program, argv);
} catch (error) {
  if (!(error instanceof MountRefusal)) throw error;
  process.stdout.write(error.out);
  if (error.message !== '') process.stderr.write(`${error.message}\n`);
  process.exitCode = error.status;
}
