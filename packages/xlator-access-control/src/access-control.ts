import {
  type Bytes, type CreateReply, type CtxSlot, Dict, type Direntp, type EntryReply, Errno, type Fd, FopError, type Frame, type GetxattrReply, type Iatt, type Inode, type Loc,
  type LookupReply, type OpenReply, type PlainReply, type PrePostReply, type ReaddirReply, type RenameReply, SetAttr, type UnlinkReply, type Xdata, Xlator, type XlatorContext, packedEntries,
} from '@glusterts/libglusterfs';
import { type Acl, type Permissions, formatAcl, inGroup, inherit, modeOfAcl, parseAcl, permits } from './acl.js';

const ACCESS = 'system.posix_acl_access' as Bytes;
const DEFAULT = 'system.posix_acl_default' as Bytes;
const ACL_NAMES: ReadonlySet<string> = new Set([ACCESS, DEFAULT, 'glusterfs.posix.acl', 'glusterfs.posix.default_acl']);
const R = 4;
const W = 2;
const X = 1;
const O_ACCMODE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const S_ISVTX = 0o1000;
const S_ISGID = 0o2000;

interface FileCtx extends Permissions {
  default: Acl | undefined;
}

/**
 * features/access-control: permission bits and POSIX ACLs, checked on the brick against the uid and groups of the frame
 * (spec/brick.md, §14). It knows of a file what lookups and changes through it have said.
 */
export class AccessControl extends Xlator {
  readonly #ctx: CtxSlot<FileCtx>;

  constructor(context: XlatorContext) {
    super(context);
    this.#ctx = this.newCtxSlot<FileCtx>();
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    if (loc.parent && loc.name !== '' && !this.#grants(frame, loc.parent, X)) return Promise.reject(new FopError(Errno.EACCES));
    // Not awaited: that no file is there is an answer, and to throw it on would cost more than the lookup.
    return this.child.lookup(frame, loc, withAclRequest(xdata)).then((reply) => {
      this.#learn(reply.inode, reply.stat, reply.xdata);
      return reply;
    });
  }

  override async readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    this.#need(frame, fd.inode, R);
    const reply = await this.child.readdirp(frame, fd, size, offset, withAclRequest(xdata));
    if (packedEntries(reply)) return reply;
    for (const entry of reply.entries) if (entry.inode && !entry.stat.isNull) this.#learn(entry.inode, entry.stat, entry.dict);
    return reply;
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const mode = flags & O_ACCMODE;
    let want = mode === O_WRONLY ? W : mode === O_RDWR ? R | W : R;
    if ((flags & (O_TRUNC | O_APPEND)) !== 0) want |= W;
    if (!this.#grants(frame, loc.inode, want)) return Promise.reject(new FopError(Errno.EACCES));
    return this.child.open(frame, loc, flags, fd, xdata);
  }

  override async opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    this.#need(frame, loc.inode, R);
    return this.child.opendir(frame, loc, fd, xdata);
  }

  override async access(frame: Frame, loc: Loc, mask: number, _xdata: Xdata): Promise<PlainReply> {
    if ((mask & 7) !== 0) this.#need(frame, loc.inode, mask & 7);
    return { xdata: undefined };
  }

  override async truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    this.#need(frame, loc.inode, W);
    return this.child.truncate(frame, loc, offset, xdata);
  }

  override async mknod(frame: Frame, loc: Loc, mode: number, rdev: bigint, umask: number, xdata: Xdata): Promise<EntryReply> {
    this.#needParent(frame, loc);
    const made = this.#inherit(loc, mode, umask, xdata, false);
    const reply = await this.child.mknod(frame, loc, made.mode, rdev, made.umask, made.xdata);
    this.#learnMade(loc, reply, made);
    return reply;
  }

  override async mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    this.#needParent(frame, loc);
    const made = this.#inherit(loc, mode, umask, xdata, true);
    const reply = await this.child.mkdir(frame, loc, made.mode, made.umask, made.xdata);
    this.#learnMade(loc, reply, made);
    return reply;
  }

  override async create(frame: Frame, loc: Loc, flags: number, mode: number, umask: number, fd: Fd, xdata: Xdata): Promise<CreateReply> {
    this.#needParent(frame, loc);
    const made = this.#inherit(loc, mode, umask, xdata, false);
    const reply = await this.child.create(frame, loc, flags, made.mode, made.umask, fd, made.xdata);
    this.#learnMade(loc, reply, made);
    return reply;
  }

  override async symlink(frame: Frame, linkpath: Bytes, loc: Loc, umask: number, xdata: Xdata): Promise<EntryReply> {
    this.#needParent(frame, loc);
    const reply = await this.child.symlink(frame, linkpath, loc, umask, xdata);
    this.#learn(reply.inode, reply.stat, undefined);
    return reply;
  }

  override unlink(frame: Frame, loc: Loc, xflags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#refused(frame, loc) ?? this.child.unlink(frame, loc, xflags, xdata);
  }

  override rmdir(frame: Frame, loc: Loc, flags: number, xdata: Xdata): Promise<UnlinkReply> {
    return this.#refused(frame, loc) ?? this.child.rmdir(frame, loc, flags, xdata);
  }

  /** A removal of the name, if it is not allowed. */
  #refused(frame: Frame, loc: Loc): Promise<never> | undefined {
    if (this.#bypass(frame)) return undefined;
    try {
      this.#needParent(frame, loc);
      this.#needNotSticky(frame, loc);
      return undefined;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    return this.#bypass(frame) ? this.child.rename(frame, oldloc, newloc, xdata) : this.#renameChecked(frame, oldloc, newloc, xdata);
  }

  async #renameChecked(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    for (const loc of [oldloc, newloc]) {
      if (loc.parent) this.#need(frame, loc.parent, W);
      this.#needNotSticky(frame, loc);
    }
    return this.child.rename(frame, oldloc, newloc, xdata);
  }

  override async link(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<EntryReply> {
    if (newloc.parent) this.#need(frame, newloc.parent, W);
    this.#needNotSticky(frame, newloc);
    return this.child.link(frame, oldloc, newloc, xdata);
  }

  override async setattr(frame: Frame, loc: Loc, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    const reply = await this.child.setattr(frame, loc, this.#scrutinise(frame, loc.inode, stbuf, valid), valid, xdata);
    this.#learn(loc.inode, reply.poststat, undefined);
    return reply;
  }

  override async fsetattr(frame: Frame, fd: Fd, stbuf: Iatt, valid: number, xdata: Xdata): Promise<PrePostReply> {
    const reply = await this.child.fsetattr(frame, fd, this.#scrutinise(frame, fd.inode, stbuf, valid), valid, xdata);
    this.#learn(fd.inode, reply.poststat, undefined);
    return reply;
  }

  override async setxattr(frame: Frame, loc: Loc, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    this.#needForXattrs(frame, loc.inode, dict.keys());
    const reply = await this.child.setxattr(frame, loc, dict, flags, xdata);
    this.#learnAcls(loc.inode, dict);
    return reply;
  }

  override async fsetxattr(frame: Frame, fd: Fd, dict: Dict, flags: number, xdata: Xdata): Promise<PlainReply> {
    const reply = await this.child.fsetxattr(frame, fd, dict, flags, xdata);
    this.#learnAcls(fd.inode, dict);
    return reply;
  }

  override async getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    if (name === undefined || !ACL_NAMES.has(name)) this.#need(frame, loc.inode, R);
    return this.child.getxattr(frame, loc, name, xdata);
  }

  override async removexattr(frame: Frame, loc: Loc, name: Bytes, xdata: Xdata): Promise<PlainReply> {
    this.#needForXattrs(frame, loc.inode, [name]);
    if (ACL_NAMES.has(name)) this.#need(frame, loc.inode, W);
    const reply = await this.child.removexattr(frame, loc, name, xdata);
    const known = this.#ctx.get(loc.inode);
    if (known && name === ACCESS) this.#ctx.set(loc.inode, { ...known, access: undefined });
    if (known && name === DEFAULT) this.#ctx.set(loc.inode, { ...known, default: undefined });
    return reply;
  }

  override forget(inode: Inode): void {
    this.#ctx.delete(inode);
  }

  /** Root and GlusterFS's own clients may do everything. */
  #bypass(frame: Frame): boolean {
    return frame.pid < 0 || frame.uid === 0;
  }

  #need(frame: Frame, inode: Inode, want: number): void {
    if (!this.#grants(frame, inode, want)) throw new FopError(Errno.EACCES);
  }

  #grants(frame: Frame, inode: Inode, want: number): boolean {
    if (this.#bypass(frame)) return true;
    const file = this.#ctx.get(inode);
    return file !== undefined && permits(file, frame, want);
  }

  #needParent(frame: Frame, loc: Loc): void {
    if (loc.parent) this.#need(frame, loc.parent, W | X);
    else if (!this.#bypass(frame)) throw new FopError(Errno.EACCES);
  }

  #needNotSticky(frame: Frame, loc: Loc): void {
    if (this.#bypass(frame) || !loc.parent) return;
    const parent = this.#ctx.get(loc.parent);
    if (!parent || (parent.prot & S_ISVTX) === 0 || parent.uid === frame.uid) return;
    const file = this.#ctx.get(loc.inode);
    if (file && file.uid !== frame.uid) throw new FopError(Errno.EACCES);
  }

  #needForXattrs(frame: Frame, inode: Inode, names: readonly Bytes[]): void {
    if (frame.uid === 0) return;
    for (const name of names) {
      if (!ACL_NAMES.has(name)) this.#need(frame, inode, W);
      else if (this.#ctx.get(inode)?.uid !== frame.uid) throw new FopError(Errno.EPERM);
    }
  }

  /** Who may change what (spec/brick.md, §14.2, "setattr"); the attributes to set, without a setgid bit that isn't the caller's to set. */
  #scrutinise(frame: Frame, inode: Inode, stbuf: Iatt, valid: number): Iatt {
    if (frame.uid === 0) return stbuf;
    const file = this.#ctx.get(inode);
    if (!file) throw new FopError(Errno.EPERM);
    const owner = file.uid === frame.uid;
    if ((valid & SetAttr.UID) !== 0 && stbuf.ia_uid !== file.uid) throw new FopError(Errno.EPERM);
    if ((valid & SetAttr.GID) !== 0 && (!owner || !inGroup(frame, stbuf.ia_gid))) throw new FopError(Errno.EPERM);
    if ((valid & (SetAttr.ATIME | SetAttr.MTIME | SetAttr.ATIME_NOW | SetAttr.MTIME_NOW)) !== 0 && !owner && !permits(file, frame, W)) throw new FopError(Errno.EACCES);
    if ((valid & SetAttr.MODE) === 0) return stbuf;
    if (!owner) throw new FopError(Errno.EPERM);
    if (inGroup(frame, file.gid) || (stbuf.ia_prot & S_ISGID) === 0) return stbuf;
    const cleared = stbuf.clone();
    cleared.ia_prot &= ~S_ISGID;
    return cleared;
  }

  #inherit(loc: Loc, mode: number, umask: number, xdata: Xdata, directory: boolean): { mode: number; umask: number; xdata: Xdata; access: Acl | undefined; default: Acl | undefined } {
    let request = xdata;
    const asked = xdata?.getNumber('umask');
    if (xdata && asked !== undefined) {
      request = xdata.clone();
      request.delete('umask');
      request.delete('mode');
      umask = asked;
      mode = xdata.getNumber('mode') ?? mode;
    }
    const defaults = loc.parent && this.#ctx.get(loc.parent)?.default;
    if (!defaults) return { mode: mode & ~umask, umask, xdata: request, access: undefined, default: undefined };
    const made = inherit(defaults, mode);
    request = (request?.clone() ?? new Dict()).setBin(ACCESS, formatAcl(made.acl));
    if (directory) request.setBin(DEFAULT, formatAcl(defaults));
    return { mode: made.mode, umask: 0, xdata: request, access: made.acl, default: directory ? defaults : undefined };
  }

  #learnMade(loc: Loc, reply: EntryReply, made: { access: Acl | undefined; default: Acl | undefined }): void {
    this.#ctx.set(reply.inode, { uid: reply.stat.ia_uid, gid: reply.stat.ia_gid, prot: reply.stat.ia_prot, access: made.access, default: made.default });
  }

  #learn(inode: Inode, stat: Iatt, xdata: Xdata): void {
    const known = this.#ctx.get(inode);
    const access = xdata?.getBin(ACCESS);
    const defaults = xdata?.getBin(DEFAULT);
    this.#ctx.set(inode, {
      uid: stat.ia_uid,
      gid: stat.ia_gid,
      prot: stat.ia_prot,
      // A lookup asks for both, so what it doesn't bring isn't there; other answers say nothing about ACLs.
      access: xdata ? access && parseAcl(access) : known?.access,
      default: xdata ? defaults && parseAcl(defaults) : known?.default,
    });
  }

  #learnAcls(inode: Inode, dict: Dict): void {
    const known = this.#ctx.get(inode);
    if (!known) return;
    const access = dict.getBin(ACCESS);
    const defaults = dict.getBin(DEFAULT);
    if (access === undefined && defaults === undefined) return;
    const acl = access ? parseAcl(access) : known.access;
    this.#ctx.set(inode, {
      ...known,
      access: acl,
      prot: access && acl ? modeOfAcl(acl, known.prot) : known.prot,
      default: defaults ? parseAcl(defaults) : known.default,
    });
  }
}

function withAclRequest(xdata: Xdata): Dict {
  // md-cache asks for them itself.
  if (xdata?.has(ACCESS) && xdata.has(DEFAULT)) return xdata;
  return (xdata?.clone() ?? new Dict()).setInt(ACCESS, 0).setInt(DEFAULT, 0);
}
