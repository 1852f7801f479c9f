/** Numbers of volume types in the store and on the wire (spec/glusterd.md, §2). */
export const VolumeType = { DISTRIBUTE: 0, REPLICATE: 2, DISPERSE: 4 } as const;
/** Numbers of volume states. */
export const VolumeStatus = { CREATED: 0, STARTED: 1, STOPPED: 2 } as const;

/** A brick as the store holds it (spec/glusterd.md, §3.6). */
export interface Brick {
  /** UUID of the node that holds it, as text. */
  uuid: string;
  hostname: string;
  path: string;
  realPath: string;
  /** Last port; 0: never started. */
  port: number;
  rdmaPort: number;
  decommissioned: number;
  /** `V-client-N`: fixed at creation, whatever the position becomes. */
  id: string;
  /** Path relative to its mount point, or empty. */
  mountDir: string;
  devicePath: string;
  fsType: string;
  mountOptions: string;
  snapStatus: number;
  /** f_fsid of its file system, as decimal text; `0` for other nodes' bricks. */
  fsid: string;
}

/** `node_state.info`: what rebalance did on this node. */
export type NodeState = Map<string, string>;

/** A volume as the store holds it (spec/glusterd.md, §3.5). */
export interface Volume {
  name: string;
  type: number;
  status: number;
  bricks: Brick[];
  /** Thin-arbiter brick. */
  thinArbiter: Brick | undefined;
  subCount: number;
  replicaCount: number;
  arbiterCount: number;
  thinArbiterCount: number;
  disperseCount: number;
  redundancyCount: number;
  /** Generation number. */
  version: number;
  transportType: number;
  id: string;
  username: string;
  password: string;
  opVersion: number;
  clientOpVersion: number;
  quotaVersion: number;
  parentVolname: string;
  restoredFromSnap: string;
  snapMaxHardLimit: number;
  /** In the order of setting: the newest is last, a re-set key keeps its place. */
  options: Map<string, string>;
  /** Geo-replication sessions (`secondaryN`), kept as they are. */
  secondaries: Map<string, string>;
  nodeState: NodeState;
  snapdPort: number;
}

/** Bricks of one subvolume of distribute. */
export function leafCount(volume: Volume): number {
  if (volume.type === VolumeType.REPLICATE) return volume.replicaCount;
  if (volume.type === VolumeType.DISPERSE) return volume.disperseCount;
  return 1;
}

/** Number of children of distribute. */
export function subvolumeCount(volume: Volume): number {
  return volume.bricks.length / leafCount(volume);
}

/** A brick's path in volfile ids, log and pid names: `d-dist3-b1`. */
export function pathId(path: string): string {
  return path.replace(/^\//, '').replaceAll('/', '-');
}

/** A brick's file below `bricks/`: `gda:-d-dist3-b1`. */
export function brickFileName(brick: Brick): string {
  return `${brick.hostname}:${brick.path.replaceAll('/', '-')}`;
}

/** A brick as users write it. */
export function brickName(brick: Brick): string {
  return `${brick.hostname}:${brick.path}`;
}

const words = { on: true, yes: true, true: true, enable: true, 1: true, off: false, no: false, false: false, disable: false, 0: false };

/** GlusterFS's boolean words, in any case; undefined for others. */
export function parseBool(text: string | undefined): boolean | undefined {
  const value = text?.toLowerCase();
  return value !== undefined && Object.hasOwn(words, value) ? words[value as keyof typeof words] : undefined;
}

export function newNodeState(): NodeState {
  const zeros = ['rebalanced-files', 'size', 'scanned', 'failures', 'skipped'];
  return new Map([
    ['rebalance_status', '0'], ['status', '0'], ['rebalance_op', '0'], ['rebalance-id', nullUuid],
    ...zeros.map((key): [string, string] => [key, '0']), ['run-time', '0.000000'],
  ]);
}

export const nullUuid = '00000000-0000-0000-0000-000000000000';
