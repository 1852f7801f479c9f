import type { Volume } from '../volume.js';
import { leafCount, pathId, VolumeType } from '../volume.js';
import { brickVolfile } from './brick-graph.js';
import { clientVolfile, gfproxyClientVolfile, gfproxydVolfile, rebalanceVolfile, selfHealVolfile } from './client-graph.js';
import type { VolgenContext } from './cluster.js';

/**
 * Every volfile of a volume, name to text, in the order of writing (spec/volgen.md, §10, §11).
 *
 * @throws VolgenError when the counts or options allow no graph.
 */
export function volumeVolfiles(volume: Volume, context: VolgenContext): Map<string, string> {
  const files = new Map<string, string>();
  const { name } = volume;
  for (const brick of volume.bricks) files.set(`${name}.${brick.hostname}.${pathId(brick.path)}.vol`, brickVolfile(volume, brick, context));
  files.set(`trusted-${name}.tcp-fuse.vol`, clientVolfile(volume, context, true));
  files.set(`${name}.tcp-fuse.vol`, clientVolfile(volume, context, false));
  if (volume.bricks.length > leafCount(volume)) files.set(`${name}-rebalance.vol`, rebalanceVolfile(volume, context));
  files.set(`trusted-${name}.tcp-gfproxy-fuse.vol`, gfproxyClientVolfile(volume, context));
  files.set(`${name}.gfproxyd.vol`, gfproxydVolfile(volume, context));
  if ((volume.type === VolumeType.REPLICATE && volume.replicaCount > 1) || volume.type === VolumeType.DISPERSE) files.set(`${name}-shd.vol`, selfHealVolfile(volume, context));
  return files;
}
