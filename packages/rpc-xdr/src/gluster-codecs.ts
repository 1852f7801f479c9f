/**
 * Codecs of the types that the `.x` files map to libglusterfs's own classes, for the generated code (`%codec`).
 */
import {
  type Dict,
  type Flock,
  type Lease,
  type LkType,
  type Statvfs,
  decodeLegacyDict,
  encodeLegacyDict,
  readIattV330,
  readIattx,
  readTypedDict,
  writeIattV330,
  writeIattx,
  writeTypedDict,
} from '@glusterts/libglusterfs';
import type { XdrReader } from './xdr-reader.js';
import type { XdrWriter } from './xdr-writer.js';

export const encodeIattx = writeIattx;
export const decodeIattx = readIattx;
export const encodeIattV330 = writeIattV330;
export const decodeIattV330 = readIattV330;
export const encodeTypedDict = writeTypedDict;
export const decodeTypedDict = readTypedDict;

/** A legacy dict in its opaque (spec/rpc-wire.md, §4.2). */
export function encodeLegacyDictOpaque(w: XdrWriter, dict: Dict | undefined): void {
  if (dict === undefined) w.u32(0);
  else w.opaque(encodeLegacyDict(dict));
}

export function decodeLegacyDictOpaque(r: XdrReader): Dict | undefined {
  return decodeLegacyDict(r.opaqueView());
}

/** flock (spec/rpc-wire.md, §5.1); the pid is signed: −6 is the self-heal daemon's. */
export function encodeFlock(w: XdrWriter, flock: Flock): void {
  const at = w.reserve(28);
  const view = w.view;
  view.setUint32(at, flock.type);
  view.setUint32(at + 4, flock.whence);
  view.setBigInt64(at + 8, flock.start);
  view.setBigInt64(at + 16, flock.len);
  view.setInt32(at + 24, flock.pid);
  w.str(flock.owner);
}

/** Lock owners have at most 1024 bytes. */
const LK_OWNER_SIZE_MAX = 1024;

export function decodeFlock(r: XdrReader): Flock {
  return { type: r.u32() as LkType, whence: r.u32(), start: r.i64(), len: r.i64(), pid: r.i32(), owner: r.str(LK_OWNER_SIZE_MAX) };
}

/** lease (spec/rpc-wire.md, §5.1). */
export function encodeLease(w: XdrWriter, lease: Lease): void {
  w.u32(lease.cmd);
  w.u32(lease.lease_type);
  w.fixed(lease.lease_id, 16);
  w.u32(lease.lease_flags);
}

export function decodeLease(r: XdrReader): Lease {
  return { cmd: r.u32(), lease_type: r.u32(), lease_id: r.fixed(16), lease_flags: r.u32() };
}

/** statfs (spec/rpc-wire.md, §5.1). */
export function encodeStatfs(w: XdrWriter, s: Statvfs): void {
  w.u53(s.f_bsize);
  w.u53(s.f_frsize);
  w.u53(s.f_blocks);
  w.u53(s.f_bfree);
  w.u53(s.f_bavail);
  w.u53(s.f_files);
  w.u53(s.f_ffree);
  w.u53(s.f_favail);
  w.u64(s.f_fsid);
  w.u53(s.f_flag);
  w.u53(s.f_namemax);
}

export function decodeStatfs(r: XdrReader): Statvfs {
  return {
    f_bsize: r.u53(),
    f_frsize: r.u53(),
    f_blocks: r.u53(),
    f_bfree: r.u53(),
    f_bavail: r.u53(),
    f_files: r.u53(),
    f_ffree: r.u53(),
    f_favail: r.u53(),
    f_fsid: r.u64(),
    f_flag: r.u53(),
    f_namemax: r.u53(),
  };
}

