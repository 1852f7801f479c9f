import type { Bytes } from './bytes.js';

/** Commands of lk, as on the wire (spec/rpc-wire.md, §7). */
export const LkCmd = { GETLK: 0, SETLK: 1, SETLKW: 2, RESLK_LCK: 3, RESLK_LCKW: 4, RESLK_UNLCK: 5, GETLK_FD: 6 } as const;
export type LkCmd = (typeof LkCmd)[keyof typeof LkCmd];
/** Commands of inodelk: GET 0, try 1, wait 2. */
export const InodelkCmd = { GET: 0, SETLK: 1, SETLKW: 2 } as const;
export type InodelkCmd = (typeof InodelkCmd)[keyof typeof InodelkCmd];
/** Kinds of lk and inodelk. */
export const LkType = { RDLCK: 0, WRLCK: 1, UNLCK: 2 } as const;
export type LkType = (typeof LkType)[keyof typeof LkType];
/** Commands of entrylk. */
export const EntrylkCmd = { LOCK: 0, UNLOCK: 1, LOCK_NB: 2 } as const;
export type EntrylkCmd = (typeof EntrylkCmd)[keyof typeof EntrylkCmd];
/** Kinds of entrylk. */
export const EntrylkType = { RDLCK: 0, WRLCK: 1 } as const;
export type EntrylkType = (typeof EntrylkType)[keyof typeof EntrylkType];

/**
 * A range lock. Offsets are bytes as bigint: replicate locks at 2^63-2. `len` 0 reaches to the end. The owner that
 * counts is the frame's lk_owner; `owner` here is only carried along (spec/rpc-wire.md, §7).
 */
export interface Flock {
  type: LkType;
  whence: number;
  start: bigint;
  len: bigint;
  pid: number;
  owner: Bytes;
}

/** A lock that moves with a migrated file (getactivelk, setactivelk). */
export interface LockMigrationInfo {
  flock: Flock;
  client_uid: Bytes;
  lk_flags: number;
}

/** A lease (spec/rpc-wire.md, §9.9). */
export interface Lease {
  cmd: number;
  lease_type: number;
  lease_id: Uint8Array;
  lease_flags: number;
}
