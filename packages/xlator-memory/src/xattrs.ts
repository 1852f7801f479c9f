import { Dict, Errno, FopError, valueBytes, type Xdata, XattropOp } from '@glusterts/libglusterfs';
import { type MemoryNode, isLater } from './node.js';
import { MDATA, isXattrName } from './xdata-reply.js';

/* setxattr and xattrop (spec/brick.md, §6.3 and §7). */

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const NAME_MAX = 255;
const VALUE_MAX = 65536;
const SILENT: ReadonlySet<string> = new Set(['trusted.gfid', 'trusted.glusterfs.volume-id', 'trusted.io-stats-dump', MDATA]);
const HEALABLE: ReadonlySet<string> = new Set(['system.posix_acl_access', 'system.posix_acl_default', 'trusted.glusterfs.quota.limit-set', 'trusted.glusterfs.quota.limit-objects', 'security.selinux']);

export function setXattrs(node: MemoryNode, dict: Dict, flags: number, xdata: Xdata): void {
  const mdata = dict.getMdata('set-ctime-mdata');
  if (dict.has('set-ctime-mdata')) {
    if (!mdata) throw new FopError(Errno.EINVAL);
    const later = (given: [number, number], known: { sec: number; nsec: number }): { sec: number; nsec: number } => {
      const time = { sec: given[0], nsec: given[1] };
      return !node.stamped || isLater(time, known) ? time : known;
    };
    node.ctime = later([mdata.ctime, mdata.ctime_nsec], node.ctime);
    node.mtime = later([mdata.mtime, mdata.mtime_nsec], node.mtime);
    node.atime = later([mdata.atime, mdata.atime_nsec], node.atime);
    node.stamped = true;
    return;
  }
  if (xdata?.has('sync_backend_xattrs')) {
    for (const name of [...node.xattrs.keys()]) if (name.startsWith('user.') || HEALABLE.has(name)) node.xattrs.delete(name);
  }
  for (const [key, entry] of dict.entries()) {
    if (SILENT.has(key) || key.startsWith('glusterfs.internal-ctx') || key.startsWith('force-replace')) continue;
    if (key.endsWith('glusterfs.pathinfo')) throw new FopError(Errno.EACCES);
    const value = valueBytes(entry);
    if (!value) throw new FopError(Errno.EINVAL);
    if (!isXattrName(key)) throw new FopError(Errno.EOPNOTSUPP);
    if (key.length > NAME_MAX) throw new FopError(Errno.ERANGE);
    if (value.length > VALUE_MAX) throw new FopError(Errno.E2BIG);
    if (flags & XATTR_CREATE && node.xattrs.has(key)) throw new FopError(Errno.EEXIST);
    if (flags & XATTR_REPLACE && !node.xattrs.has(key)) throw new FopError(Errno.ENODATA);
    node.xattrs.set(key, value.slice());
  }
}

/** Counters and the like; a later failure leaves earlier keys changed. */
export function xattrop(node: MemoryNode, op: XattropOp, dict: Dict): Dict {
  const reply = new Dict();
  for (const [key, entry] of dict.entries()) {
    const value = valueBytes(entry);
    if (!value) throw new FopError(Errno.EINVAL);
    const withDefault = op === XattropOp.ADD_ARRAY_WITH_DEFAULT || op === XattropOp.ADD_ARRAY64_WITH_DEFAULT;
    const count = withDefault ? value.length / 2 : value.length;
    const stored = node.xattrs.get(key);
    if (stored && stored.length > count) throw new FopError(Errno.ERANGE);
    const old = new Uint8Array(count);
    if (stored) old.set(stored);
    if (op === XattropOp.GET_AND_SET) {
      node.xattrs.set(key, value.slice());
      if (stored) reply.setBin(key, old);
    } else if (value.every((byte) => byte === 0)) {
      reply.setBin(key, old);
    } else {
      const result = add(old, value, count, op, withDefault);
      node.xattrs.set(key, result);
      reply.setBin(key, result.slice());
    }
  }
  return reply;
}

function add(old: Uint8Array, value: Uint8Array, count: number, op: XattropOp, withDefault: boolean): Uint8Array {
  const result = old.slice();
  const from = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const to = new DataView(result.buffer);
  if (op === XattropOp.ADD_ARRAY || op === XattropOp.ADD_ARRAY_WITH_DEFAULT) {
    for (let i = 0; i + 4 <= count; i += 4) {
      const base = to.getInt32(i) === 0 && withDefault ? from.getInt32(count + i) : to.getInt32(i);
      to.setInt32(i, base + from.getInt32(i));
    }
  } else if (op === XattropOp.ADD_ARRAY64 || op === XattropOp.ADD_ARRAY64_WITH_DEFAULT) {
    for (let i = 0; i + 8 <= count; i += 8) {
      const base = to.getBigInt64(i) === 0n && withDefault ? from.getBigInt64(count + i) : to.getBigInt64(i);
      to.setBigInt64(i, base + from.getBigInt64(i));
    }
  } else {
    throw new FopError(Errno.EINVAL);
  }
  return result;
}
