import type { Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { MgmtErrno, OpError } from '../op-error.js';
import { VolumeStatus, type Volume, VolumeType } from '../volume.js';
import { busyText, type OpResult } from './operation.js';

/** `heal-op` of the request (spec/cli.md, §6.11). */
const HealOp = { INDEX: 1, FULL: 2, ENABLE: 12, DISABLE: 13 } as const;

/** `volume heal`: switching healing on and off, which is an option; healing itself is not built. */
export async function healVolume(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const volume = glusterd.need(request.getStr('volname') ?? '');
  return glusterd.locked(volume.name, busyText(volume.name), () => {
    const op = request.getNumber('heal-op');
    if (op === HealOp.ENABLE || op === HealOp.DISABLE) {
      volume.options.set(healOption(volume), op === HealOp.ENABLE ? 'enable' : 'disable');
      glusterd.commit(volume, { newVersion: true });
      return Promise.resolve({ dict: request.clone().setStr('vol-id', volume.id) });
    }
    if (volume.status !== VolumeStatus.STARTED) throw new OpError(`Volume ${volume.name} is not started.`);
    if (!isHealed(volume)) throw new OpError(`Self-heal-daemon is disabled. Heal will not be triggered on volume ${volume.name}`);
    throw new OpError('Heal is not supported by this version', MgmtErrno.NOT_SUPPORTED);
  });
}

const isHealed = (volume: Volume): boolean => volume.type === VolumeType.REPLICATE || volume.type === VolumeType.DISPERSE;

function healOption(volume: Volume): string {
  if (volume.type === VolumeType.REPLICATE) return 'cluster.self-heal-daemon';
  if (volume.type === VolumeType.DISPERSE) return 'cluster.disperse-self-heal-daemon';
  throw new OpError('operation failed');
}
