import type { Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { OpError } from '../op-error.js';
import { VolumeStatus } from '../volume.js';
import { BUSY, busyText, type OpResult } from './operation.js';

const FORCE = 1;

/** `volume start` (spec/glusterd.md, §11.2). With force a started volume gets its dead bricks back. */
export async function startVolume(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const volume = glusterd.need(request.getStr('volname') ?? '');
  const force = ((request.getNumber('flags') ?? 0) & FORCE) !== 0;
  return glusterd.locked(volume.name, BUSY, async () => {
    const started = volume.status === VolumeStatus.STARTED;
    if (started && !force) throw new OpError(`Volume ${volume.name} already started`);
    const bricks = glusterd.ownBricks(volume).filter((brick) => glusterd.roots.checkForStart(volume, brick, force));
    const words = (first: boolean): string[] => [`--first=${first ? 'yes' : 'no'}`, '--version=1', '--volume-op=start', `--gd-workdir=${glusterd.config.workdir}`];
    const others = glusterd.volumes.some((other) => other !== volume && other.status === VolumeStatus.STARTED);
    await glusterd.hooks('start', 'pre', volume.name, words(!others));
    // The volfiles name the file systems' ids, which may have changed since create.
    for (const brick of bricks) brick.fsid = glusterd.roots.fsid(brick.path);
    glusterd.store.storeVolfiles(volume.name, glusterd.volfilesOf(volume));
    await Promise.all(bricks.map((brick) => glusterd.startBrick(volume, brick)));
    volume.status = VolumeStatus.STARTED;
    glusterd.commit(volume, { newVersion: !started });
    await glusterd.hooks('start', 'post', volume.name, words(!others));
    return { dict: request.clone().setStr('vol-id', volume.id) };
  });
}

/** `volume stop`. */
export async function stopVolume(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const volume = glusterd.need(request.getStr('volname') ?? '');
  const force = ((request.getNumber('flags') ?? 0) & FORCE) !== 0;
  return glusterd.locked(volume.name, BUSY, async () => {
    if (volume.status !== VolumeStatus.STARTED && !force) throw new OpError(`Volume ${volume.name} is not in the started state`);
    const last = !glusterd.volumes.some((other) => other !== volume && other.status === VolumeStatus.STARTED);
    const words = [`--last=${last ? 'yes' : 'no'}`];
    await glusterd.hooks('stop', 'pre', volume.name, words);
    await Promise.all(glusterd.ownBricks(volume).map((brick) => glusterd.bricks.stop(volume, brick)));
    volume.status = VolumeStatus.STOPPED;
    glusterd.commit(volume, { newVersion: true });
    await glusterd.hooks('stop', 'post', volume.name, words);
    return { dict: request.clone().setStr('vol-id', volume.id) };
  });
}

/** `volume delete`: the bricks keep what they hold. */
export async function deleteVolume(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const volume = glusterd.need(request.getStr('volname') ?? '');
  return glusterd.locked(volume.name, busyText(volume.name), async () => {
    if (volume.status === VolumeStatus.STARTED) throw new OpError(`Volume ${volume.name} has been started.Volume needs to be stopped before deletion.`);
    await glusterd.hooks('delete', 'pre', volume.name, []);
    glusterd.store.delete(volume);
    glusterd.removeVolume(volume);
    glusterd.system.files.removeTree(`${glusterd.config.rundir}/vols/${volume.name}`);
    glusterd.notifyVolfileChange();
    await glusterd.hooks('delete', 'post', volume.name, []);
    return { dict: request.clone().setStr('vol-id', volume.id) };
  });
}
