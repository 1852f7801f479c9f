import type { Brick, Volume } from '../volume.js';
import { leafCount, parseBool, VolumeType } from '../volume.js';
import type { OptionValues } from './option-pass.js';
import { effectiveValue } from './option-pass.js';
import type { VolfileGraph, VolfileXlator } from './volfile-graph.js';

/** A combination of options or counts for which no volfile can be made. */
export class VolgenError extends Error {}

/** What volgen must know besides the volume. */
export interface VolgenContext {
  /** glusterd's working directory. */
  readonly workdir: string;
  /** Cluster op-version. */
  readonly opVersion: number;
  /** UUID of this node, as text. */
  readonly uuid: string;
  /** Address that glusterd is bound to, if it is. */
  readonly bindAddress?: string;
  /** Port of this glusterd when it isn't the usual one: clients must be told. */
  readonly remotePort?: number;
}

const sslOptions = [
  ['ssl.own-cert', 'ssl-own-cert'], ['ssl.private-key', 'ssl-private-key'], ['ssl.ca-list', 'ssl-ca-list'], ['ssl.crl-path', 'ssl-crl-path'],
  ['ssl.certificate-depth', 'ssl-cert-depth'], ['ssl.cipher-list', 'ssl-cipher-list'], ['ssl.dh-param', 'ssl-dh-param'], ['ssl.ec-curve', 'ssl-ec-curve'],
] as const;

/** The transport's TLS options that client and server carry (spec/volgen.md, §3.1). */
export function setSsl(xlator: VolfileXlator, values: OptionValues): void {
  for (const [key, name] of sslOptions) {
    const value = values.get(key);
    if (value !== undefined) xlator.options.set(`transport.socket.${name}`, value);
  }
}

/** A protocol/client (spec/volgen.md, §3.1). */
export function addClient(graph: VolfileGraph, volume: Volume, values: OptionValues, client: { name: string; host?: string; port: number | undefined; subvolume: string; trusted: boolean }): VolfileXlator {
  const xlator = graph.addNoLink('protocol/client', client.name, [['ping-timeout', '42']]);
  const set = (key: string, value: string): unknown => xlator.options.set(key, value);
  if (client.host !== undefined) set('remote-host', client.host);
  if (client.port !== undefined) set('remote-port', String(client.port));
  set('remote-subvolume', client.subvolume);
  set('transport-type', volume.transportType === 1 ? 'rdma' : 'tcp');
  const family = values.get('transport.address-family');
  if (family !== undefined) set('transport.address-family', family);
  if (client.trusted) {
    set('username', volume.username);
    set('password', volume.password);
  }
  if (parseBool(values.get('client.ssl'))) set('transport.socket.ssl-enabled', 'true');
  setSsl(xlator, values);
  return xlator;
}

/** A client for each brick, thin arbiters between the sets; their number. */
export function addBrickClients(graph: VolfileGraph, volume: Volume, values: OptionValues, context: VolgenContext, trusted: boolean): number {
  const leaf = leafCount(volume);
  const add = (brick: Brick, name: string): unknown => addClient(graph, volume, values, { name, host: brick.hostname, port: context.remotePort, subvolume: brick.path, trusted });
  volume.bricks.forEach((brick, at) => {
    add(brick, brick.id);
    const inSet = (at + 1) % leaf;
    if (volume.thinArbiter && inSet === 0) add(volume.thinArbiter, thinArbiterName(volume, (at + 1) / leaf - 1));
  });
  return graph.xlators.length;
}

function thinArbiterName(volume: Volume, subvolume: number): string {
  return `${volume.name}-ta-${2 + subvolume * 3}`;
}

/** replicate or disperse over the clients just added; their number (spec/volgen.md, §3.2, steps 1 and 2). */
export function addSets(graph: VolfileGraph, volume: Volume, opVersion: number): number {
  const bricks = volume.bricks.length;
  const leaf = leafCount(volume);
  if (leaf === 0 || bricks % leaf !== 0) throw new VolgenError(`${bricks} bricks are no whole number of sets of ${leaf}`);
  const sets = bricks / leaf;
  if (leaf === 1) return bricks;
  if (volume.type === VolumeType.DISPERSE) {
    for (const xlator of graph.link('cluster/disperse', (index) => `${volume.name}-disperse-${index}`, bricks, leaf)) {
      xlator.options.set('redundancy', String(volume.redundancyCount));
    }
    return sets;
  }
  const thin = volume.thinArbiter ? 1 : 0;
  const made = graph.link('cluster/replicate', (index) => `${volume.name}-replicate-${index}`, bricks + thin * sets, leaf + thin);
  made.forEach((xlator, index) => setReplicateOptions(xlator, volume, index, opVersion));
  return sets;
}

function setReplicateOptions(xlator: VolfileXlator, volume: Volume, index: number, opVersion: number): void {
  const leaf = leafCount(volume);
  const pending = volume.bricks.slice(index * leaf, (index + 1) * leaf).map((brick) => brick.id);
  if (volume.thinArbiter) pending.push(opVersion < 70300 ? thinArbiterName(volume, index) : `${thinArbiterName(volume, index)}.${volume.id}`);
  if (opVersion >= 30900) xlator.options.set('afr-pending-xattr', pending.join(','));
  if (opVersion >= 90000) xlator.options.set('volume-id', volume.id);
  if (volume.arbiterCount > 0) xlator.options.set('arbiter-count', String(volume.arbiterCount));
  if (volume.thinArbiter) xlator.options.set('thin-arbiter', `${volume.thinArbiter.hostname}:${volume.thinArbiter.path}`);
}

/** The distribute layer over the sets, always present (spec/volgen.md, §3.2, steps 3 and 4). */
export function addDistribute(graph: VolfileGraph, volume: Volume, values: OptionValues, sets: number, name = `${volume.name}-dht`): void {
  if (parseBool(effectiveValue(values, 'performance.parallel-readdir'))) {
    for (const xlator of graph.link('performance/readdir-ahead', (index) => `${volume.name}-readdir-ahead-${index}`, sets, 1)) {
      xlator.options.set('performance.readdir-ahead', 'on');
    }
  }
  const nufa = parseBool(effectiveValue(values, 'cluster.nufa'));
  const byName = parseBool(effectiveValue(values, 'cluster.switch'));
  if (nufa && byName) throw new VolgenError('nufa and switch cannot be set together');
  const type = nufa ? 'cluster/nufa' : byName ? 'cluster/switch' : 'cluster/distribute';
  const [distribute] = graph.link(type, () => name, sets, sets);
  const decommissioned = new Set(volume.bricks.filter((brick) => brick.decommissioned).map((brick) => brick.id));
  if (!distribute || decommissioned.size === 0) return;
  const holds = (xlator: VolfileXlator): boolean => decommissioned.has(xlator.name) || xlator.children.some(holds);
  const leaving = distribute.children.filter(holds).map((child) => child.name);
  if (leaving.length > 0) distribute.options.set('decommissioned-bricks', leaving.join(','));
}

/** Clients, sets and distribute. */
export function addClusters(graph: VolfileGraph, volume: Volume, values: OptionValues, context: VolgenContext, trusted: boolean): void {
  addBrickClients(graph, volume, values, context, trusted);
  addDistribute(graph, volume, values, addSets(graph, volume, context.opVersion));
}
