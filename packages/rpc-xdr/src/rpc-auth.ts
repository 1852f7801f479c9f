import { type Bytes, Errno, FopError, type Frame } from '@glusterts/libglusterfs';
import type { XdrReader } from './xdr-reader.js';
import type { XdrWriter } from './xdr-writer.js';

/** Flavors of credentials (spec/rpc-wire.md, §3). */
export const AuthFlavor = { NULL: 0, UNIX: 1, GLUSTERFS: 5, GLUSTERFS_V2: 390039, GLUSTERFS_V3: 390040 } as const;

/** What a client sends: v2 before the fop program is chosen, v3 with version 400, null for callbacks. */
export type AuthForm = 'null' | 'v2' | 'v3';

/** Who calls, as the credential says. */
export interface RpcCredential {
  readonly flavor: number;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly lk_owner: Bytes;
  /** Which times the fop changes, and when it began; 0 in all flavors but v3. */
  readonly flags: number;
  readonly ctime: number;
  readonly ctime_nsec: number;
}

/** The part of a frame that goes on the wire. */
export type Caller = Pick<Frame, 'pid' | 'uid' | 'gid' | 'groups' | 'lk_owner' | 'flags' | 'ctime' | 'ctime_nsec'>;

/** A credential's body is refused above this size, in bytes. */
export const CREDENTIAL_SIZE_MAX = 400;
/** Groups and lk_owner bytes together, counted as if each byte were a word: real clients and servers do. */
const V2_ROOM = 95;
const V3_ROOM = 91;
const OLD_GROUPS = 16;
const NO_OWNER = '' as Bytes;
const ANONYMOUS: RpcCredential = { flavor: AuthFlavor.NULL, pid: 0, uid: 0, gid: 0, groups: [], lk_owner: NO_OWNER, flags: 0, ctime: 0, ctime_nsec: 0 };

/** The owner that a call without one carries: its pid, little-endian. */
function pidOwner(pid: number): Bytes {
  return String.fromCharCode(pid & 0xff, (pid >> 8) & 0xff, (pid >> 16) & 0xff, (pid >> 24) & 0xff) as Bytes;
}

/**
 * Appends flavor and body of a credential, and the empty verifier. Groups that find no room are left out. Throws
 * FopError(E2BIG) for a lk_owner that finds none.
 */
export function writeCredential(w: XdrWriter, form: AuthForm, caller: Caller): void {
  if (form === 'null') {
    const at = w.reserve(16);
    w.bytes.fill(0, at, at + 16);
    return;
  }
  const owner = caller.lk_owner.length === 0 ? pidOwner(caller.pid) : caller.lk_owner;
  const room = (form === 'v3' ? V3_ROOM : V2_ROOM) - owner.length;
  if (room < 0) throw new FopError(Errno.E2BIG, undefined, `a lk_owner of ${owner.length} bytes`);
  const count = Math.min(caller.groups.length, room);
  const fixed = form === 'v3' ? 28 : 12;
  const size = fixed + 4 + 4 * count + 4 + ((owner.length + 3) & ~3);
  const at = w.reserve(8 + fixed + 4 + 4 * count);
  const view = w.view;
  view.setUint32(at, form === 'v3' ? AuthFlavor.GLUSTERFS_V3 : AuthFlavor.GLUSTERFS_V2);
  view.setUint32(at + 4, size);
  view.setInt32(at + 8, caller.pid);
  view.setUint32(at + 12, caller.uid);
  view.setUint32(at + 16, caller.gid);
  if (form === 'v3') {
    view.setUint32(at + 20, caller.flags);
    view.setUint32(at + 24, caller.ctime_nsec);
    view.setUint32(at + 28, Math.floor(caller.ctime / 4294967296));
    view.setUint32(at + 32, caller.ctime >>> 0);
  }
  const groupsAt = at + 8 + fixed;
  view.setUint32(groupsAt, count);
  for (let i = 0; i < count; i++) view.setUint32(groupsAt + 4 + 4 * i, caller.groups[i] ?? 0);
  w.str(owner);
  const verifier = w.reserve(8);
  w.view.setUint32(verifier, 0);
  w.view.setUint32(verifier + 4, 0);
}

/**
 * Reads a credential's body, bounded by its own length; undefined when it must be denied: unknown flavor (a real server
 * would take it for root), too many groups of the old form, groups and lk_owner that
 * are more than their room together (no real client sends such), or a body that doesn't decode.
 */
export function readCredential(flavor: number, body: XdrReader): RpcCredential | undefined {
  switch (flavor) {
    case AuthFlavor.NULL:
      return ANONYMOUS;
    case AuthFlavor.UNIX: {
      body.u32();
      body.str();
      const uid = body.u32();
      const gid = body.u32();
      return { ...ANONYMOUS, flavor, uid, gid, groups: readGroups(body) };
    }
    case AuthFlavor.GLUSTERFS: {
      const owner = body.fixed(8).reverse().toString('latin1') as Bytes;
      const pid = body.i32();
      const uid = body.u32();
      const gid = body.u32();
      const count = body.u32();
      if (count > OLD_GROUPS) return undefined;
      const groups: number[] = [];
      for (let i = 0; i < OLD_GROUPS; i++) groups.push(body.u32());
      return { ...ANONYMOUS, flavor, pid, uid, gid, groups: groups.slice(0, count), lk_owner: owner };
    }
    case AuthFlavor.GLUSTERFS_V2: {
      const pid = body.i32();
      const uid = body.u32();
      const gid = body.u32();
      return withRoom({ flavor, pid, uid, gid, flags: 0, ctime: 0, ctime_nsec: 0 }, body, V2_ROOM);
    }
    case AuthFlavor.GLUSTERFS_V3: {
      const pid = body.i32();
      const uid = body.u32();
      const gid = body.u32();
      const flags = body.u32();
      const ctime_nsec = body.u32();
      const ctime = body.u53();
      return withRoom({ flavor, pid, uid, gid, flags, ctime, ctime_nsec }, body, V3_ROOM);
    }
    default:
      return undefined;
  }
}

const NO_GROUPS: readonly number[] = [];

function readGroups(body: XdrReader): readonly number[] {
  const count = body.count(4);
  if (count === 0) return NO_GROUPS;
  const groups: number[] = [];
  for (let i = 0; i < count; i++) groups.push(body.u32());
  return groups;
}

function withRoom(head: Omit<RpcCredential, 'groups' | 'lk_owner'>, body: XdrReader, room: number): RpcCredential | undefined {
  const groups = readGroups(body);
  const lk_owner = body.word();
  if (lk_owner.length > room - groups.length) return undefined;
  return {
    flavor: head.flavor,
    pid: head.pid,
    uid: head.uid,
    gid: head.gid,
    groups,
    lk_owner,
    flags: head.flags,
    ctime: head.ctime,
    ctime_nsec: head.ctime_nsec,
  };
}
