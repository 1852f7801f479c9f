import type { Bytes, Frame } from '@glusterts/libglusterfs';
import { Xattr } from './keys.js';

/* What posix hides of an object's xattrs (spec/brick.md, §5 "list-xattr", §6.1). */

const GEO_REP = [
  /^.*\.glusterfs\..*\.stime$/s, /^.*\.glusterfs\..*\.xtime$/s, /^.*\.glusterfs\.lockinfo$/s, /^.*\.glusterfs\..*\.entry_stime$/s, /^.*\.glusterfs\.volume-mark\..*$/s,
  /^.*\.glusterfs\.volume-mark$/s,
];
const PID_GSYNCD = -1;

/** One of geo-replication's and the locks' own, e.g. `trusted.glusterfs.<uuid>.xtime`. */
function isInternal(name: Bytes): boolean {
  return name.includes('.glusterfs.') && GEO_REP.some((pattern) => pattern.test(name));
}

/** trusted.gfid and the volume-id: never told by getxattr, never removed. */
export function isProtected(name: Bytes): boolean {
  return name === Xattr.GFID || name === Xattr.VOLUME_ID;
}

/** Left out of the answer to `list-xattr`. */
export function isHiddenFromList(name: Bytes): boolean {
  return (
    isProtected(name) || name === 'security.selinux' || name.startsWith('trusted.glusterfs.quota.') || name.startsWith(Xattr.GFID2PATH) || isInternal(name)
  );
}

/** Hidden from getxattr by name: ENODATA. */
export function isHiddenFromGet(name: Bytes, frame: Frame): boolean {
  if (name.startsWith(Xattr.GFID2PATH)) return true;
  if (name === Xattr.MDATA) return frame.pid >= 0;
  return frame.pid !== PID_GSYNCD && isInternal(name);
}

/** Hidden from a getxattr of all names. */
export function isHiddenFromGetAll(name: Bytes, frame: Frame): boolean {
  if (name.startsWith(Xattr.GFID2PATH) || isInternal(name)) return true;
  return name === Xattr.MDATA && frame.pid >= 0;
}
