import type { Volume } from '../volume.js';
import { leafCount, parseBool, subvolumeCount, VolumeType } from '../volume.js';
import { addBrickClients, addClient, addClusters, addSets, type VolgenContext } from './cluster.js';
import { addDebugXlators, lastPart } from './inserted-xlators.js';
import type { OptionValues } from './option-pass.js';
import { basicPass, basicOption, clientSpecialPasses, effectiveValue, optionPass, setOnType } from './option-pass.js';
import { formatBytes, parseSize } from './size.js';
import { VolfileGraph } from './volfile-graph.js';

const isOn = (values: OptionValues, key: string): boolean => parseBool(effectiveValue(values, key)) ?? false;

/** `V.tcp-fuse.vol`, and with `trusted` `trusted-V.tcp-fuse.vol` (spec/volgen.md, §4). */
export function clientVolfile(volume: Volume, context: VolgenContext, trusted: boolean): string {
  const graph = new VolfileGraph();
  const values = new Map(volume.options);
  addClusters(graph, volume, values, context, trusted);
  addFeatures(graph, volume, values, context);
  setDerivedOptions(volume, values);
  setReaddirAhead(volume, values);
  addPerformance(graph, volume, values, (type) => !(type === 'performance/readdir-ahead' && isOn(values, 'performance.parallel-readdir')));
  finishClient(graph, volume, values, trusted);
  return graph.print();
}

/** `trusted-V.tcp-gfproxy-fuse.vol` (spec/volgen.md, §8). */
export function gfproxyClientVolfile(volume: Volume, context: VolgenContext): string {
  const graph = new VolfileGraph();
  const values = new Map(volume.options);
  addClient(graph, volume, values, { name: `${volume.name}-gfproxy-client`, port: context.remotePort, subvolume: `gfproxyd-${volume.name}`, trusted: true });
  addFeatures(graph, volume, values, context);
  graph.add('features/quiesce', `${volume.name}-quiesce`);
  setDerivedOptions(volume, values);
  addPerformance(graph, volume, values, (type) => type === 'performance/write-behind');
  finishClient(graph, volume, values, true);
  return graph.print();
}

/** `V.gfproxyd.vol` (spec/volgen.md, §8). */
export function gfproxydVolfile(volume: Volume, context: VolgenContext): string {
  const graph = new VolfileGraph();
  const values = new Map(volume.options);
  addClusters(graph, volume, values, context, true);
  addFeatures(graph, volume, values, context);
  setDerivedOptions(volume, values);
  addPerformance(graph, volume, values, (type) => type !== 'performance/write-behind' && !(type === 'performance/readdir-ahead' && isOn(values, 'performance.parallel-readdir')));
  addSnapview(graph, volume, values, true);
  addDebugXlators(graph, volume, values, 'client');
  const name = `gfproxyd-${volume.name}`;
  graph.add('debug/io-stats', name);
  clientSpecialPasses(graph, values);
  graph.add('protocol/server', `${volume.name}-server`, [
    ['transport-type', 'tcp'], [`auth.login.${name}.allow`, volume.username], [`auth.login.${volume.username}.password`, volume.password], ['auth-path', name],
  ]);
  basicPass(graph, values);
  return graph.print();
}

/** `V-rebalance.vol` (spec/volgen.md, §6). */
export function rebalanceVolfile(volume: Volume, context: VolgenContext): string {
  const graph = new VolfileGraph();
  const values: OptionValues = volume.options;
  addClusters(graph, volume, values, context, true);
  graph.add('debug/io-stats', volume.name);
  clientSpecialPasses(graph, values);
  basicPass(graph, values);
  return graph.print();
}

/** `V-shd.vol` (spec/volgen.md, §7). */
export function selfHealVolfile(volume: Volume, context: VolgenContext): string {
  const graph = new VolfileGraph();
  const replicate = volume.type === VolumeType.REPLICATE;
  const values = new Map([[replicate ? 'cluster.self-heal-daemon' : 'cluster.disperse-self-heal-daemon', 'enable'], ...volume.options]);
  addBrickClients(graph, volume, values, context, true);
  const sets = addSets(graph, volume, context.opVersion);
  const type = replicate ? 'cluster/replicate' : 'cluster/disperse';
  if (replicate) {
    for (const [key, value] of [['background-self-heal-count', '0'], ['metadata-self-heal', 'on'], ['data-self-heal', 'on'], ['entry-self-heal', 'on']] as const) setOnType(graph, type, key, value);
  }
  optionPass(values, (record, value) => {
    const own = record.option === '!self-heal-daemon' || record.option === '!heal-timeout';
    basicOption(graph, own ? { ...record, option: record.option.slice(1) } : record, value);
  });
  setOnType(graph, type, 'iam-self-heal-daemon', 'yes');
  graph.link('debug/io-stats', () => volume.name, sets, sets);
  clientSpecialPasses(graph, values);
  return graph.print();
}

function addFeatures(graph: VolfileGraph, volume: Volume, values: OptionValues, context: VolgenContext): void {
  const add = (type: string, options: readonly (readonly [string, string])[] = []): unknown => graph.add(type, `${volume.name}-${lastPart(type)}`, options);
  if (isOn(values, 'features.cloudsync')) add('features/cloudsync');
  if (isOn(values, 'features.shard')) add('features/shard');
  if (context.opVersion >= 50000 && (parseBool(values.get('features.ctime')) ?? true)) add('features/utime');
  if (isOn(values, 'network.compression')) add('features/cdc', [['mode', 'client']]);
}

function setDerivedOptions(volume: Volume, values: Map<string, string>): void {
  if (isOn(values, 'server.root-squash')) values.set('performance.read-after-open', 'yes');
  values.set('client.send-gids', isOn(values, 'server.manage-gids') ? 'false' : 'true');
}

/** parallel-readdir divides readdir-ahead's cache among distribute's children (spec/volgen.md, §4, step 9). */
function setReaddirAhead(volume: Volume, values: Map<string, string>): void {
  const subvolumes = subvolumeCount(volume);
  if (!isOn(values, 'performance.parallel-readdir') || !isOn(values, 'performance.readdir-ahead') || subvolumes <= 1 || leafCount(volume) === 0) return;
  const limit = parseSize(values.get('performance.rda-cache-limit') ?? '') ?? 10485760;
  const requestSize = parseSize(values.get('performance.rda-request-size') ?? '') ?? 131072;
  const share = Math.floor(limit / subvolumes);
  const cache = share < requestSize ? Math.max(4096, share) : share;
  if (share < requestSize) values.set('performance.rda-request-size', formatBytes(cache));
  values.set('performance.rda-cache-limit', formatBytes(cache));
}

function addPerformance(graph: VolfileGraph, volume: Volume, values: OptionValues, wanted: (type: string) => boolean): void {
  optionPass(values, (record, value) => {
    if (record.option !== '!perf' || !parseBool(value) || !wanted(record.xlator)) return;
    if (record.xlator === 'performance/open-behind' && record.opVersion > volume.clientOpVersion) return;
    graph.add(record.xlator, `${volume.name}-${lastPart(record.xlator)}`);
  });
}

function addSnapview(graph: VolfileGraph, volume: Volume, values: OptionValues, trusted: boolean): void {
  if (!isOn(values, 'features.uss')) return;
  const below = graph.head;
  const snapd = addClient(graph, volume, values, { name: `${volume.name}-snapd-client`, subvolume: `snapd-${volume.name}`, port: undefined, trusted });
  graph.add('features/snapview-client', `${volume.name}-snapview-client`).children = [below, snapd];
}

function finishClient(graph: VolfileGraph, volume: Volume, values: OptionValues, trusted: boolean): void {
  addSnapview(graph, volume, values, trusted);
  addDebugXlators(graph, volume, values, 'client');
  graph.add('debug/io-stats', volume.name);
  clientSpecialPasses(graph, values);
  basicPass(graph, values);
}
