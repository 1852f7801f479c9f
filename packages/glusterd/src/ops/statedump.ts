import type { Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { OpError } from '../op-error.js';
import { VolumeStatus } from '../volume.js';
import { busyText, type OpResult } from './operation.js';

/** `volume statedump`: SIGUSR1 to the bricks, with what to dump in a file beside (spec/cli.md, §14). */
export async function volumeStatedump(glusterd: Glusterd, request: Dict): Promise<OpResult> {
  const volume = glusterd.need(request.getStr('volname') ?? '');
  return glusterd.locked(volume.name, busyText(volume.name), async () => {
    if (volume.status !== VolumeStatus.STARTED) throw new OpError(`Volume ${volume.name} is not started.`);
    const words = (request.getStr('options') ?? '').split(' ').filter((word) => /^[a-z]+$/.test(word));
    if (words.some((word) => ['nfs', 'quotad', 'client'].includes(word))) throw new OpError(`Statedump of ${words[0]} is not supported by this version`);
    for (const brick of glusterd.ownBricks(volume)) glusterd.bricks.statedump(volume, brick, words);
    return { dict: request.clone().setStr('vol-id', volume.id) };
  });
}
