import type { Brick, Volume } from '../volume.js';
import { parseBool, VolumeType } from '../volume.js';
import { setSsl, VolgenError, type VolgenContext } from './cluster.js';
import { addDebugXlators, addUserXlators, lastPart } from './inserted-xlators.js';
import type { OptionValues } from './option-pass.js';
import { basicPass, brickSpecialPass, effectiveValue } from './option-pass.js';
import { VolfileGraph } from './volfile-graph.js';

type Options = readonly (readonly [string, string])[];

/** `V.HOST.d-path.vol` (spec/volgen.md, §5). */
export function brickVolfile(volume: Volume, brick: Brick, context: VolgenContext): string {
  const values: OptionValues = volume.options;
  const isOn = (key: string): boolean => parseBool(effectiveValue(values, key)) ?? false;
  if (isOn('features.read-only') && (isOn('features.worm') || isOn('features.worm-file-level'))) throw new VolgenError('read-only and worm cannot be set together');
  const graph = new VolfileGraph();
  const add = (type: string, options: Options = [], name = `${volume.name}-${lastPart(type)}`): void => {
    graph.add(type, name, options);
    addDebugXlators(graph, volume, values, lastPart(type));
    addUserXlators(graph, volume, values, lastPart(type));
  };
  const path = brick.path;
  add('storage/posix', posixOptions(volume, brick, context, isOn));
  if (isArbiter(volume, brick)) add('features/arbiter');
  add('features/trash', [['trash-dir', '.trashcan'], ['brick-path', path], ['trash-internal-op', 'off']]);
  add('features/changelog', [
    ['changelog-brick', path], ['changelog-dir', `${path}/.glusterfs/changelogs`], ['changelog-notification', isOn('features.bitrot') ? 'on' : 'off'],
  ]);
  add('features/bitrot-stub', [['export', path], ['bitrot', values.get('features.bitrot') ?? 'disable']]);
  add('features/access-control');
  add('features/locks');
  add('features/worm');
  add('features/read-only', [['read-only', 'off']]);
  add('features/leases');
  add('features/upcall');
  add('performance/io-threads');
  add('features/selinux');
  add('features/marker', [['volume-uuid', volume.id], ['timestamp-file', `${context.workdir}/vols/${volume.name}/marker.tstamp`], ['quota-version', String(volume.quotaVersion)]]);
  add('features/barrier');
  add('features/index', indexOptions(volume, path));
  add('features/quota', [['volume-uuid', volume.name], ['server-quota', values.get('features.quota') ?? 'off']]);
  if (isOn('network.compression')) add('features/cdc', [['mode', 'server']]);
  if (isOn('features.tag-namespaces')) add('features/namespace');
  if (isOn('features.sdfs')) add('features/sdfs', [['pass-through', 'false']]);
  add('debug/io-stats', context.opVersion >= 70100 ? [['unique-id', path], ['volume-id', volume.id]] : [['unique-id', path]], path);
  addServer(graph, volume, brick, values, context);
  brickSpecialPass(graph, values, path);
  basicPass(graph, values);
  return graph.print();
}

function posixOptions(volume: Volume, brick: Brick, context: VolgenContext, isOn: (key: string) => boolean): Options {
  const options: [string, string][] = [['directory', brick.path], ['volume-id', volume.id]];
  if (isOn('features.quota') || isOn('features.trash') || isOn('storage.build-pgfid')) options.push(['update-link-count-parent', 'on']);
  if (context.opVersion >= 70000) options.push(['fips-mode-rchecksum', 'on']);
  options.push(['shared-brick-count', String(sharedBrickCount(volume, brick, context.uuid))]);
  return options;
}

/** This node's bricks of the volume on the same file system; statfs is divided by it (spec/volgen.md, §13). */
function sharedBrickCount(volume: Volume, brick: Brick, uuid: string): number {
  if (brick.uuid !== uuid) return 0;
  return volume.bricks.filter((other) => other.uuid === uuid && other.fsid === brick.fsid).length;
}

function isArbiter(volume: Volume, brick: Brick): boolean {
  return volume.arbiterCount > 0 && volume.bricks.indexOf(brick) % volume.replicaCount === volume.replicaCount - 1;
}

function indexOptions(volume: Volume, path: string): Options {
  const base: [string, string] = ['index-base', `${path}/.glusterfs/indices`];
  if (volume.type === VolumeType.DISPERSE) return [base, ['xattrop64-watchlist', 'trusted.ec.dirty']];
  return [base, ['xattrop-dirty-watchlist', 'trusted.afr.dirty'], ['xattrop-pending-watchlist', `trusted.afr.${volume.name}-`]];
}

function addServer(graph: VolfileGraph, volume: Volume, brick: Brick, values: OptionValues, context: VolgenContext): void {
  const transports = ['tcp', 'rdma', 'tcp,rdma'];
  const server = graph.add('protocol/server', `${volume.name}-server`, [['transport-type', transports[volume.transportType] ?? 'tcp']]);
  const set = (key: string, value: string): unknown => server.options.set(key, value);
  if (context.bindAddress !== undefined) set('transport.socket.bind-address', brick.hostname);
  setSsl(server, values);
  const family = values.get('transport.address-family');
  if (family !== undefined) set('transport.address-family', family);
  set(`auth.login.${brick.path}.allow`, volume.username);
  set(`auth.login.${volume.username}.password`, volume.password);
  set('auth-path', brick.path);
  if (volume.name === 'gluster_shared_storage') set('strict-auth-accept', 'true');
  const sslAllow = values.get('auth.ssl-allow');
  if (sslAllow !== undefined) set(`auth.login.${brick.path}.ssl-allow`, sslAllow);
}
