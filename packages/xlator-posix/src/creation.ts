import { type Bytes, Dict, type Errno, FopError, type Frame, type Gfid, IaType, type Iatt, type Loc, NULL_GFID, valueBytes, type Xdata } from '@glusterts/libglusterfs';
import type { Brick, Target } from './brick.js';
import { setTextAcl } from './acl-text.js';
import { addGfid2path, changePgfid } from './handle.js';
import { Key, NOT_XATTRS, Xattr } from './keys.js';

/* What all fops that make an entry share (spec/brick.md, §3.5, §4.1, §4.15). */

const XATTR_CREATE = 1;
const S_ISGID = 0o2000;
const S_ISVTX = 0o1000;
const PID_TRASH = -11;

/** The gfid that the new entry shall have. Throws EINVAL without one; the trash may do without. */
export function gfidForCreation(brick: Brick, frame: Frame, xdata: Xdata, errno: Errno): Gfid {
  const gfid = brick.requestedGfid(xdata);
  if (gfid === undefined && frame.pid !== PID_TRASH) throw new FopError(errno, undefined, 'no gfid-req');
  return gfid ?? NULL_GFID;
}

/** The group that a new entry gets: the parent's if that is setgid. */
export function groupFor(frame: Frame, parent: Iatt): number {
  return parent.ia_prot & S_ISGID ? parent.ia_gid : frame.gid;
}

export function fileMode(brick: Brick, mode: number): number {
  return (mode & ~0o777) | (mode & 0o777 & brick.settings.createMask) | brick.settings.createMode;
}

export function directoryMode(brick: Brick, mode: number): number {
  return (mode & ~0o777) | (mode & 0o777 & brick.settings.directoryMask) | brick.settings.directoryMode;
}

/** A DHT linkto file by its mode: regular, with nothing but the sticky bit. */
export function isLinktoMode(iatt: Iatt): boolean {
  return iatt.ia_type === IaType.REG && iatt.ia_prot === S_ISVTX;
}

/** A DHT linkto file: mode and xattr. */
export function isLinkto(brick: Brick, path: Bytes, iatt: Iatt): boolean {
  if (!isLinktoMode(iatt)) return false;
  const value = brick.getx(path, Xattr.LINKTO);
  return typeof value !== 'number' && value.length > 0;
}

/** The ACLs that access-control computed; failures are logged. */
export function setAcls(brick: Brick, at: Target, xdata: Xdata): void {
  for (const key of ACLS) {
    const value = xdata?.getBin(key);
    if (!value) continue;
    const result = brick.setx(at, key, value, 0);
    if (result < 0) brick.log.error(113106, 'setting ACLs failed', { key, errno: -result });
  }
}

const ACLS = [Xattr.ACL_ACCESS, Xattr.ACL_DEFAULT] as const;

/** gfid2path and pgfid of a new name of a non-directory; failures are logged. */
export function markName(brick: Brick, at: Target, loc: Loc, links: number): void {
  const pgfid = changePgfid(brick, at, loc.parentGfid, 1);
  const gfid2path = addGfid2path(brick, at, loc.parentGfid, loc.name, links);
  if (pgfid < 0 || gfid2path < 0) brick.log.error(113018, 'setting gfid2path or pgfid failed', { errno: -Math.min(pgfid, gfid2path) });
}

/** Every other key of xdata becomes an xattr, or those of `only`; the first failure ends it, and is only logged. */
export function setCreationXattrs(brick: Brick, at: Target, xdata: Xdata, drop: ReadonlySet<string> = NONE, only?: ReadonlySet<string>): void {
  if (!xdata) return;
  for (const [key, entry] of xdata.entries()) {
    if (key === Xattr.GFID || key === Key.GFID_REQ || key === Xattr.ACL_ACCESS || key === Xattr.ACL_DEFAULT || NOT_XATTRS.has(key) || drop.has(key) || key.startsWith(OURS) || only?.has(key) === false) continue;
    const result = setOneXattr(brick, at, key, valueBytes(entry) ?? new Uint8Array(0), XATTR_CREATE);
    if (result < 0) {
      brick.log.debug(113022, 'an xattr of a creation was refused', { key, errno: -result });
      return;
    }
  }
}
const NONE: ReadonlySet<string> = new Set();
/** Questions of our own clients; one that a newer client asks is no xattr either. */
const OURS = 'glusterts.';

/** One key of a setxattr by the rules of spec/brick.md, §6.3; 0 or −errno. */
export function setOneXattr(brick: Brick, at: Bytes | number, key: Bytes, value: Uint8Array, flags: number, linkto = false): number {
  if (key === 'glusterfs.pathinfo' || key === 'trusted.glusterfs.pathinfo') return -13;
  if (key.startsWith(Xattr.GFID2PATH)) return -95;
  if (key.startsWith('glusterfs.internal-ctx') || key.startsWith(Key.FORCE_REPLACE)) return 0;
  if (key === Key.ACL_TEXT || key === Key.ACL_DEFAULT_TEXT) return linkto ? 0 : setTextAcl(brick, at, key === Key.ACL_TEXT ? Xattr.ACL_ACCESS : Xattr.ACL_DEFAULT, value);
  if (linkto && key.startsWith(Xattr.ACL_ACCESS)) return 0;
  return brick.setx(at, key, value, flags);
}

/**
 * The pre-op check of mkdir and create: the parent's xattr must have the value that the client saw. Answers the keys to
 * drop from xdata; throws the errno with `glusterfs.preop.check.failed` when the values differ (spec/brick.md, §4.4).
 */
export function preopCheck(brick: Brick, dir: Bytes, xdata: Xdata, mismatch: Errno): ReadonlySet<string> {
  const key = xdata?.getStr(Key.PREOP_PARENT_KEY);
  if (key === undefined) return NONE;
  const expected = xdata?.getBin(key);
  if (expected) {
    const found = brick.getx(dir, key);
    if (typeof found === 'number') throw new FopError(-found, new Dict().setInt(Key.PREOP_FAILED, 1));
    if (Buffer.compare(found, expected) !== 0) throw new FopError(mismatch, new Dict().setInt(Key.PREOP_FAILED, 1));
  }
  return new Set([Key.PREOP_PARENT_KEY, key]);
}
