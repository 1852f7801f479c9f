import { type Bytes, Dict, Errno, FopError, type Iatt, IaType, display, toBuffer } from '@glusterts/libglusterfs';
import { ancestryPath, gfid2paths, volumePath } from './ancestry.js';
import type { Brick } from './brick.js';
import { Key, Xattr } from './keys.js';
import { aclText } from './xdata-reply.js';
import type { Subject } from './xattr-fops.js';

/* Names that getxattr answers without an xattr of that name (spec/brick.md, §6.2). */

const REAL_FILENAME = 'glusterfs.get_real_filename:';
const OPEN_DIRECTORY = 0o200000;

/** The answer to a virtual name; undefined when it is none. */
export function virtualXattr(brick: Brick, subject: Subject, stat: Iatt, name: Bytes): Dict | undefined {
  const dict = new Dict();
  switch (name) {
    case 'trusted.glusterfs.pathinfo' as Bytes:
    case 'glusterfs.pathinfo' as Bytes:
      return dict.setStr(name, pathinfo(brick, subject, stat));
    case 'trusted.glusterfs.node-uuid' as Bytes:
      return brick.glusterdUuid === '' ? undefined : dict.setStr(name, brick.glusterdUuid);
    case 'glusterfs.gfidtopath' as Bytes:
      // Only a directory's path is a string, with a NUL.
      return stat.ia_type === IaType.DIR ? dict.setStr(name, pathsOf(brick, subject, stat)) : dict.setBin(name, toBuffer(pathsOf(brick, subject, stat)));
    case 'glusterfs.gfid2path' as Bytes: {
      const path = subject.inode.table.path(subject.inode);
      if (path === undefined) throw new FopError(Errno.ENAMETOOLONG);
      return dict.setStr(name, path);
    }
    case Key.ANCESTRY_PATH: {
      const path = ancestryPath(brick, subject.at, subject.gfid, stat.ia_type);
      if (path === undefined) throw new FopError(Errno.ENODATA);
      return dict.setStr(name, path);
    }
    case Key.OPEN_FD_COUNT:
      return dict.setUint(name, brick.openCount(subject.gfid) > 0 ? 1 : 0);
    case Key.ACL_TEXT:
    case Key.ACL_DEFAULT_TEXT: {
      if (name === Key.ACL_DEFAULT_TEXT && stat.ia_type !== IaType.DIR) throw new FopError(Errno.EACCES);
      const text = aclText(brick, subject.at, stat, name);
      // GlusterFS follows the link from its gfid handle, where it leads nowhere, and says so.
      if (text === undefined) throw new FopError(stat.ia_type === IaType.LNK ? Errno.ESTALE : Errno.ENODATA);
      return dict.setStr(name, text);
    }
    case 'trusted.glusterfs.get-signature' as Bytes:
      return signature(brick, subject);
    default:
      return name.startsWith(REAL_FILENAME) ? dict.setStr(name, realFilename(brick, subject, stat, name.slice(REAL_FILENAME.length) as Bytes)) : undefined;
  }
}

/** `<POSIX(<brick>):<host or uuid>:<path on the brick>>`; of several names the one that was used last. */
function pathinfo(brick: Brick, subject: Subject, stat: Iatt): Bytes {
  const { gfid, at, inode } = subject;
  const used = inode.table.path(inode);
  const known = used?.startsWith('/') === true ? used : stat.ia_type === IaType.DIR ? volumePath(brick, gfid) : gfid2paths(brick, at)[0];
  const path = known === undefined ? brick.handlePath(gfid) : `${brick.root}${known}`;
  const host = brick.settings.nodeUuidPathinfo ? brick.glusterdUuid : brick.hostname;
  return `<POSIX(${brick.root}):${host}:${path}>` as Bytes;
}

function pathsOf(brick: Brick, { gfid, at }: Subject, stat: Iatt): Bytes {
  if (stat.ia_type === IaType.DIR) {
    const path = volumePath(brick, gfid);
    if (path === undefined) throw new FopError(Errno.ENODATA);
    return path;
  }
  const paths = gfid2paths(brick, at);
  if (paths.length === 0) throw new FopError(Errno.ENODATA);
  return paths.join(brick.settings.gfid2pathSeparator) as Bytes;
}

function signature(brick: Brick, { at }: Subject): Dict {
  const dict = new Dict();
  const version = brick.getx(at, Xattr.BITROT_VERSION);
  if (typeof version !== 'number') dict.setBin(Xattr.BITROT_VERSION, version);
  const signed = brick.getx(at, Xattr.BITROT_SIGNATURE);
  if (typeof signed !== 'number') dict.setBin(Xattr.BITROT_SIGNATURE, signed);
  return dict.setUint('trusted.glusterfs.bit-rot.size', typeof signed === 'number' ? 0 : signed.length);
}

/** The first entry of a directory that is the name but for upper and lower case. */
function realFilename(brick: Brick, { gfid }: Subject, stat: Iatt, name: Bytes): Bytes {
  if (stat.ia_type !== IaType.DIR) throw new FopError(Errno.ENOTDIR);
  const path = brick.dirPath(gfid);
  if (typeof path === 'number') throw new FopError(Errno.ESTALE);
  const fd = brick.storage.open(path, OPEN_DIRECTORY, 0);
  if (fd < 0) throw new FopError(-fd);
  try {
    const wanted = display(name).toLowerCase();
    for (;;) {
      const entries = brick.storage.getdents(fd);
      if (typeof entries === 'number') throw new FopError(-entries);
      if (entries.length === 0) throw new FopError(Errno.ENODATA);
      const found = entries.find((entry) => display(entry.name).toLowerCase() === wanted);
      if (found) return found.name;
    }
  } finally {
    brick.storage.close(fd);
  }
}
