import type { Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { OpError } from '../op-error.js';
import { volumeOpVersions } from '../options/op-versions.js';
import { emptyVolume } from '../store/volume-files.js';
import type { Brick, Volume } from '../volume.js';
import { brickName, nullUuid, VolumeType } from '../volume.js';
import { busyText, type OpResult } from './operation.js';

const BRICKS_MAX = 10_000;
const PATH_MAX = 4096;
const transports: ReadonlyMap<string, number> = new Map([['tcp', 0], ['rdma', 1], ['tcp,rdma', 2], ['rdma,tcp', 2]]);

/** `volume create` (spec/glusterd.md, §11.1). */
export async function createVolume(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const name = request.getStr('volname') ?? '';
  if (!/^[A-Za-z0-9_-]{1,256}$/.test(name)) throw new OpError(`Invalid volume name: ${name}`, 0);
  if (glusterd.find(name)) throw new OpError(`Volume ${name} already exists`, 0);
  return glusterd.locked(name, busyText(name), async () => {
    const force = request.getNumber('force') === 1;
    const volume = readVolume(glusterd, request, name);
    for (const brick of volume.bricks) await claimBrick(glusterd, brick);
    if (!force) checkOneServer(volume);
    const notes = prepareBricks(glusterd, volume, force);
    commitVolume(glusterd, volume);
    await glusterd.hooks('create', 'post', name, []);
    const dict = request.clone().setStr('transport.address-family', volume.options.get('transport.address-family') ?? 'inet').setStr('volume-id', volume.id);
    dict.setStr('internal-username', volume.username).setStr('internal-password', volume.password);
    return { dict, note: notes.at(-1) };
  });
}

function count(request: Dict, key: string): number {
  const value = request.getNumber(key) ?? 0;
  if (!Number.isInteger(value) || value < 0 || value > BRICKS_MAX) throw new OpError(`${key} is out of range`);
  return value;
}

function readVolume(glusterd: Glusterd, request: Dict, name: string): Volume {
  const volume = emptyVolume(name);
  const words = splitBricks(request.getStr('bricks') ?? '', request.getNumber('count'));
  if (words.length === 0 || words.length > BRICKS_MAX) throw new OpError(`Invalid brick count ${words.length}`);
  volume.type = count(request, 'type');
  volume.transportType = transports.get(request.getStr('transport') ?? 'tcp') ?? 0;
  if (request.has('thin-arbiter-count')) throw new OpError('Thin-arbiter volumes are not supported');
  if (volume.type === VolumeType.REPLICATE) {
    volume.replicaCount = volume.subCount = count(request, 'replica-count');
    volume.arbiterCount = count(request, 'arbiter-count');
  } else if (volume.type === VolumeType.DISPERSE) {
    volume.disperseCount = volume.subCount = count(request, 'disperse-count');
    volume.redundancyCount = count(request, 'redundancy-count');
  } else if (volume.type !== VolumeType.DISTRIBUTE) throw new OpError(`Volume type ${volume.type} is not supported`);
  volume.id = glusterd.newUuid();
  volume.username = glusterd.newUuid();
  volume.password = glusterd.newUuid();
  volume.bricks = words.map((word, at) => newBrick(volume, word, at));
  setDefaultOptions(volume, glusterd);
  return volume;
}

/**
 * The words of a list of bricks. Our CLI puts a backslash before a blank that belongs to a path; GlusterFS's never does, and
 * its paths may end in a backslash: the number of bricks tells which list it is.
 */
export function splitBricks(list: string, count: number | undefined): string[] {
  const escaped = list.split(/(?<!\\) /).filter((word) => word !== '').map((word) => word.replaceAll('\\ ', ' '));
  return count === undefined || escaped.length === count ? escaped : list.split(' ').filter((word) => word !== '');
}

function newBrick(volume: Volume, word: string, at: number): Brick {
  const colon = word.lastIndexOf(':/');
  // A newline would end the line of the store that holds it.
  if (colon <= 0 || /[\0-\x1f]/.test(word) || word.slice(0, colon).includes('/')) throw new OpError(`Invalid brick: ${word}`);
  const path = word.slice(colon + 1);
  if (path.length >= PATH_MAX || path.split('/').includes('..')) throw new OpError(`Invalid brick path: ${path}`);
  return {
    uuid: nullUuid, hostname: word.slice(0, colon), path, realPath: path, port: 0, rdmaPort: 0, decommissioned: 0, id: `${volume.name}-client-${at}`, mountDir: '', devicePath: '', fsType: '',
    mountOptions: '', snapStatus: 0, fsid: '0',
  };
}

/** What a fresh volume has set, in this order (spec/volgen.md, §12). */
export function setDefaultOptions(volume: Volume, glusterd: Glusterd, options: { readonly afterReset: boolean } = { afterReset: false }): void {
  const replicate = volume.type === VolumeType.REPLICATE;
  const set = (key: string, value: string): void => {
    if (!volume.options.has(key)) volume.options.set(key, value);
  };
  if (replicate && !options.afterReset) set('performance.client-io-threads', 'off');
  set('nfs.disable', 'on');
  if (volume.transportType === 0) set('transport.address-family', glusterd.config.addressFamily ?? 'inet');
  if (glusterd.node.opVersion >= 70000) set('storage.fips-mode-rchecksum', 'on');
  if (replicate && glusterd.node.opVersion >= 90000) set('cluster.granular-entry-heal', 'on');
}

/** Finds whose brick it is, and that no brick of this node overlaps it. */
async function claimBrick(glusterd: Glusterd, brick: Brick): Promise<void> {
  if (!(await glusterd.system.isLocalHost(brick.hostname))) throw new OpError(`Host ${brick.hostname} is not in 'Peer in Cluster' state`, 0);
  brick.uuid = glusterd.uuid;
  const within = (inner: string, outer: string): boolean => inner === outer || inner.startsWith(`${outer}/`);
  for (const volume of glusterd.volumes) {
    for (const other of glusterd.ownBricks(volume)) {
      if (within(brick.path, other.path) || within(other.path, brick.path)) {
        throw new OpError(`Brick: ${brickName(brick)} not available. Brick may be containing or be contained by an existing brick.`);
      }
    }
  }
}

/** Without force, a set's bricks must be on different servers; a pool of one node has but one. */
function checkOneServer(volume: Volume): void {
  const size = volume.subCount;
  if (size < 2) return;
  for (let at = 0; at < volume.bricks.length; at += size) {
    const servers = volume.bricks.slice(at, at + size).map((brick) => brick.uuid);
    if (new Set(servers).size < servers.length) {
      throw new OpError(
        `Multiple bricks of a ${volume.type === VolumeType.DISPERSE ? 'disperse' : 'replicate'} volume are present on the same server. This setup is not optimal. ` +
          "Bricks should be on different nodes to have best fault tolerant configuration. Use 'force' at the end of the command if you want to override this behavior. ",
      );
    }
  }
}

function prepareBricks(glusterd: Glusterd, volume: Volume, force: boolean): string[] {
  const notes = volume.bricks.map((brick) => glusterd.roots.prepare(brick, force)).filter((note) => note !== undefined);
  for (const brick of volume.bricks) {
    glusterd.roots.mark(brick, volume.id, force);
    glusterd.roots.describe(brick);
  }
  return notes;
}

function commitVolume(glusterd: Glusterd, volume: Volume): void {
  Object.assign(volume, volumeOpVersions(volume));
  try {
    glusterd.volfilesOf(volume);
  } catch (error) {
    glusterd.log.error(106084, `${volume.name}: ${String(error)}`);
    throw new OpError('Failed to create volume files');
  }
  glusterd.commit(volume, { newVersion: false });
  glusterd.addVolume(volume);
}
