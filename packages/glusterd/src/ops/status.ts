import type { Bytes, Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { askBrickStatus, type BrickAnswer } from '../brick-queries.js';
import { OpError } from '../op-error.js';
import type { Brick, Volume } from '../volume.js';
import { brickName, VolumeStatus, VolumeType } from '../volume.js';
import { busyText, type OpResult } from './operation.js';

/** Bits of `cmd` (spec/glusterd.md, §11.5). */
export const StatusCmd = {
  MEM: 1, CLIENTS: 2, INODE: 4, FD: 8, CALLPOOL: 0x10, DETAIL: 0x20, TASKS: 0x40, CLIENT_LIST: 0x80, VOLUME: 0x100, ALL: 0x200, BRICK: 0x400, NFS: 0x800, SHD: 0x1000, QUOTAD: 0x2000, SNAPD: 0x4000,
  BITD: 0x8000, SCRUB: 0x10000,
} as const;
const NEEDS_BRICKS = StatusCmd.MEM | StatusCmd.CLIENTS | StatusCmd.INODE | StatusCmd.FD | StatusCmd.CALLPOOL | StatusCmd.CLIENT_LIST;
const DAEMONS = StatusCmd.NFS | StatusCmd.QUOTAD | StatusCmd.SNAPD | StatusCmd.BITD | StatusCmd.SCRUB;

/** `volume status`: which bricks run, and where. */
export async function volumeStatus(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const cmd = request.getNumber('cmd') ?? 0;
  const dict = request.clone();
  if (cmd & StatusCmd.ALL) {
    glusterd.volumes.forEach((volume, at) => dict.setStr(`vol${at}`, volume.name));
    return { dict: dict.setInt('vol_count', glusterd.volumes.length) };
  }
  const volume = glusterd.need(request.getStr('volname') ?? '');
  return glusterd.locked(volume.name, busyText(volume.name), async () => {
    dict.setStr('vol-id', volume.id);
    if (volume.status !== VolumeStatus.STARTED) throw new OpError(`Volume ${volume.name} is not started`);
    if (cmd & DAEMONS) refuseDaemon(volume, cmd);
    if (cmd & StatusCmd.TASKS) return { dict: dict.setInt('tasks', 0) };
    const shown = describe(glusterd, volume, request, dict, cmd);
    return (cmd & NEEDS_BRICKS) === 0 ? { dict } : askBricks(glusterd, volume, request, dict, shown);
  });
}

function refuseDaemon(volume: Volume, cmd: number): void {
  if (cmd & StatusCmd.QUOTAD) throw new OpError(`Volume ${volume.name} does not have quota enabled`);
  if (cmd & StatusCmd.SNAPD) throw new OpError(`Volume ${volume.name} does not have uss enabled`);
  if (cmd & (StatusCmd.BITD | StatusCmd.SCRUB)) throw new OpError(`Volume ${volume.name} does not have bitrot enabled`);
}

/** Said with success: a brick that refuses has nothing to tell. */
const BRICK_REFUSED = "Glusterd Syncop Mgmt brick op 'Status' failed. Please check brick log file for details.";
const CLIENT_KINDS = ['fuse', 'gfapi', 'rebalance', 'glustershd', 'quotad', 'snapd'];

/** What the processes of the bricks hold. */
async function askBricks(glusterd: Glusterd, volume: Volume, request: Dict, dict: Dict, bricks: readonly (readonly [Brick, number])[]): Promise<OpResult> {
  const answers = await Promise.all(bricks.map(([brick]) => askBrickStatus(glusterd, volume, brick, request)));
  if ((request.getNumber('cmd') ?? 0) & StatusCmd.CLIENT_LIST) listClients(dict, answers);
  else {
    answers.forEach((answer, place) => {
      for (const [key, value] of answer.dict?.entries() ?? []) dict.set(`brick${bricks[place]?.[1] ?? 0}.${key}`, value);
    });
    // Each answer but the first adds to the count, by a mistake of the original that clients of its XML see.
    const answered = answers.filter((answer) => answer.dict !== undefined).length;
    dict.setInt('count', bricks.length + Math.max(0, answered - 1));
  }
  return answers.some(({ refused }) => refused) ? { dict, note: BRICK_REFUSED } : { dict };
}

/** The names of the volume's clients. Every client is connected to every brick: the brick with most of them tells. */
function listClients(dict: Dict, answers: readonly BrickAnswer[]): void {
  const names = answers.map((answer) => {
    const count = answer.dict?.getNumber('client-count') ?? answer.dict?.getNumber('clientcount') ?? 0;
    return Array.from({ length: count }, (_, at) => answer.dict?.getStr(`client${at}.name`) ?? ('unknown' as Bytes));
  });
  const most = names.reduce((best, each) => (each.length > best.length ? each : best), []);
  // Without clients the key stays away: the CLI then leaves the table's head out.
  if (most.length > 0) dict.setInt('client-count', most.length);
  most.forEach((name, at) => dict.setStr(`client${at}.name`, name));
  for (const kind of CLIENT_KINDS) {
    const count = most.filter((name) => name === kind).length;
    if (count > 0) dict.setInt(`${kind}-count`, count);
  }
}

function describe(glusterd: Glusterd, volume: Volume, request: Dict, dict: Dict, cmd: number): [Brick, number][] {
  const onlyShd = (cmd & StatusCmd.SHD) !== 0;
  const hasShd = volume.type === VolumeType.REPLICATE || volume.type === VolumeType.DISPERSE;
  if (onlyShd && !hasShd) throw new OpError(`Volume ${volume.name} is not Self-heal compatible`);
  let bricks = onlyShd ? [] : volume.bricks.map((brick, at): [Brick, number] => [brick, at]);
  if (cmd & StatusCmd.BRICK) {
    const wanted = request.getStr('brick') ?? '';
    bricks = bricks.filter(([brick]) => brickName(brick) === wanted);
    if (bricks.length === 0) throw new OpError(`No brick ${wanted} in volume ${volume.name}`);
  }
  const plain = (cmd & 0xff) === 0;
  const withShd = hasShd && plain && (cmd & (StatusCmd.VOLUME | StatusCmd.SHD)) !== 0;
  dict.setInt('brick-index-max', onlyShd ? -1 : volume.bricks.length - 1).setInt('type', -1);
  for (const [brick, at] of bricks) describeBrick(glusterd, volume, brick, dict, `brick${at}`, cmd);
  if (withShd) describeShd(glusterd, dict, `brick${onlyShd ? 0 : volume.bricks.length}`);
  dict.setInt('count', bricks.length + (withShd ? 1 : 0)).setInt('other-count', withShd ? 1 : 0).setInt('hot_brick_count', -1);
  if (plain && cmd & StatusCmd.VOLUME) dict.setInt('tasks', 0);
  return bricks;
}

function describeBrick(glusterd: Glusterd, volume: Volume, brick: Brick, dict: Dict, key: string, cmd: number): void {
  const online = glusterd.bricks.isOnline(volume, brick);
  dict.setStr(`${key}.hostname`, brick.hostname).setStr(`${key}.path`, brick.path).setStr(`${key}.peerid`, brick.uuid);
  dict.setInt(`${key}.port`, brick.port).setInt(`${key}.rdma_port`, 0);
  dict.setInt(`${key}.pid`, glusterd.bricks.pid(volume, brick) ?? -1).setInt(`${key}.status`, online ? 1 : 0);
  if (cmd & StatusCmd.DETAIL) describeSpace(glusterd, brick, dict, key);
}

function describeSpace(glusterd: Glusterd, brick: Brick, dict: Dict, key: string): void {
  try {
    const { bsize, frsize, bavail, blocks, files, ffree } = glusterd.platform.storage.statvfs(brick.path as Bytes);
    dict.setInt(`${key}.block_size`, bsize).setUint(`${key}.free`, BigInt(bavail) * BigInt(frsize)).setUint(`${key}.total`, BigInt(blocks) * BigInt(frsize));
    dict.setUint(`${key}.total_inodes`, files).setUint(`${key}.free_inodes`, ffree);
    const mount = glusterd.system.mountOf(brick.path);
    if (mount) dict.setStr(`${key}.device`, mount.device).setStr(`${key}.fs_name`, mount.type).setStr(`${key}.mnt_options`, mount.options);
  } catch {
    // A brick whose disk is gone shows N/A.
  }
}

/** The self-heal daemon is not started by this release: always offline. */
function describeShd(glusterd: Glusterd, dict: Dict, key: string): void {
  dict.setStr(`${key}.hostname`, 'Self-heal Daemon').setStr(`${key}.path`, 'localhost').setInt(`${key}.port`, 0).setInt(`${key}.pid`, -1).setInt(`${key}.status`, 0);
  dict.setStr(`${key}.peerid`, glusterd.uuid);
}
