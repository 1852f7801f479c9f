import { Dict } from '@glusterts/libglusterfs';
import type { Glusterd } from '../glusterd.js';
import { leafCount, type Volume } from '../volume.js';

/** What GET_VOLUME's `flags` ask for. */
const Which = { ALL: 1, ONE: 2, NEXT: 3 } as const;

/** `volume info` (spec/cli.md, §6.4): all volumes, one, or the one after a name. */
export function volumeInfo(glusterd: Glusterd, request: Dict): { readonly found: boolean; readonly dict: Dict } {
  const name = request.getStr('volname');
  const flags = request.getNumber('flags');
  let volumes: readonly Volume[];
  if (flags === Which.NEXT) volumes = glusterd.volumes.filter((volume) => name === undefined || volume.name > name).slice(0, 1);
  else if (flags === Which.ALL) volumes = glusterd.volumes;
  else volumes = glusterd.volumes.filter((volume) => volume.name === name);
  const dict = new Dict();
  volumes.forEach((volume, at) => describe(dict, `volume${at}`, volume, glusterd.node.options));
  dict.setInt('count', volumes.length);
  return { found: flags !== Which.ONE || volumes.length > 0, dict };
}

function describe(dict: Dict, prefix: string, volume: Volume, globalOptions: ReadonlyMap<string, string>): void {
  dict.setStr(`${prefix}.name`, volume.name);
  const numbers = {
    type: volume.type, status: volume.status, brick_count: volume.bricks.length, dist_count: leafCount(volume), replica_count: volume.replicaCount, disperse_count: volume.disperseCount,
    redundancy_count: volume.redundancyCount, arbiter_count: volume.arbiterCount, transport: volume.transportType, thin_arbiter_count: volume.thinArbiterCount,
  };
  for (const [key, value] of Object.entries(numbers)) dict.setInt(`${prefix}.${key}`, value);
  dict.setStr(`${prefix}.volume_id`, volume.id);
  dict.setInt(`${prefix}.rebalance`, Number(volume.nodeState.get('rebalance_status') ?? '0'));
  dict.setInt(`${prefix}.snap_count`, 0);
  volume.bricks.forEach((brick, at) => {
    const key = `${prefix}.brick${at + 1}`;
    dict.setStr(key, `${brick.hostname}:${brick.path}`).setStr(`${key}.uuid`, brick.uuid);
    if (volume.arbiterCount > 0 && (at + 1) % volume.replicaCount === 0) dict.setInt(`${key}.isArbiter`, 1);
  });
  if (volume.thinArbiter) dict.setStr(`${prefix}.thin_arbiter_brick`, `${volume.thinArbiter.hostname}:${volume.thinArbiter.path}`);
  const options = [...[...volume.options].reverse(), ...[...globalOptions].reverse()];
  for (const [key, value] of options) dict.setStr(`${prefix}.option.${key}`, value);
  dict.setInt(`${prefix}.opt_count`, options.length);
}

/** `volume list`. */
export function volumeList(glusterd: Glusterd): Dict {
  const dict = new Dict();
  glusterd.volumes.forEach((volume, at) => dict.setStr(`volume${at}`, volume.name));
  return dict.setInt('count', glusterd.volumes.length);
}

/** Peers, and with `pool` this node at the end. A pool of one has no peers. */
export function listPeers(glusterd: Glusterd, pool: boolean): Dict {
  const dict = new Dict();
  if (pool) dict.setStr('friend1.uuid', glusterd.uuid).setStr('friend1.hostname', 'localhost').setInt('friend1.connected', 1);
  return dict.setInt('count', pool ? 1 : 0);
}
