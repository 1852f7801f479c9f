import type { Bytes } from './bytes.js';

/** Negative pids of GlusterFS's own clients (spec/rpc-wire.md, §9.10). */
export const ClientPid = { MAX: 0, GSYNCD: -1, HADOOP: -2, DEFRAG: -3, NO_ROOT_SQUASH: -4, QUOTA_MOUNT: -5, SELF_HEALD: -6, GLFS_HEAL: -7, BITD: -8, SCRUB: -9, TIER_DEFRAG: -10, SERVER_PID_TRASH: -11, ADD_REPLICA_MOUNT: -12, SET_UTIME: -13 } as const;

/** Who is at the other end of a brick's connection: protocol/server's client_t. */
export interface Client {
  /** The SETVOLUME identity, `CTX_ID:…`; unique per client xlator and connection. */
  readonly uid: string;
  /** For per-client state of xlators (features/locks …), keyed by the xlator. Cleared when the client goes. */
  readonly ctx: Map<object, unknown>;
  /** Sends a callback (upcall, lock contention) to this client; resolves when it was handed to the transport. */
  callback(procedure: number, body: Uint8Array): void;
}

const NO_GROUPS: readonly number[] = [];

/**
 * The context of one request: who asks. It goes down with every fop. Fops made on behalf of another derive a frame
 * with {@link Frame.derive}.
 */
export class Frame {
  uid: number;
  gid: number;
  groups: readonly number[];
  /** The caller's pid, or one of {@link ClientPid}. */
  pid: number;
  /** Owner of locks, 0 to 1024 bytes; empty: none (protocol/client then sends the pid). */
  lk_owner: Bytes;
  /** On a brick: the client that sent the request. */
  client: Client | undefined;
  /** Aborted when the caller no longer wants the answer (FUSE INTERRUPT, the client's connection gone). */
  signal: AbortSignal | undefined;
  /** Which times this fop changes, features/utime's bits (spec/rpc-wire.md, §3). */
  flags: number;
  /** Wall time at which the client began the fop. */
  ctime: number;
  ctime_nsec: number;

  constructor(init?: FrameInit) {
    this.uid = 0;
    this.gid = 0;
    this.groups = NO_GROUPS;
    this.pid = 0;
    this.lk_owner = '' as Bytes;
    this.client = undefined;
    this.signal = undefined;
    this.flags = 0;
    this.ctime = 0;
    this.ctime_nsec = 0;
    // Every request makes a frame: those that do it by the thousand set the fields themselves.
    if (init !== undefined) Object.assign(this, init);
  }

  /** A frame like this one, but for what is given. */
  derive(change: FrameInit): Frame {
    return Object.assign(this.copy(), change);
  }

  /** A frame like this one. */
  copy(): Frame {
    const frame = new Frame();
    frame.uid = this.uid;
    frame.gid = this.gid;
    frame.groups = this.groups;
    frame.pid = this.pid;
    frame.lk_owner = this.lk_owner;
    frame.client = this.client;
    frame.signal = this.signal;
    frame.flags = this.flags;
    frame.ctime = this.ctime;
    frame.ctime_nsec = this.ctime_nsec;
    return frame;
  }
}

export interface FrameInit {
  uid?: number;
  gid?: number;
  groups?: readonly number[];
  pid?: number;
  lk_owner?: Bytes;
  client?: Client | undefined;
  signal?: AbortSignal | undefined;
  flags?: number;
  ctime?: number;
  ctime_nsec?: number;
}
