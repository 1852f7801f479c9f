import {
  type Bytes, type CtxSlot, Dict, type Dirent, type Direntp, Errno, type Fd, FopError, type Frame, type GetxattrReply, type Gfid, IaType, Iatt, type Inode, IoVec, type Loc, type LookupReply,
  NULL_GFID, type OpenReply, type OptionSpec, type PlainReply, type PrePostReply, type ReaddirReply, type ReadlinkReply, type ReadReply, type StatReply, type WriteReply, type Xdata, Xlator, type XlatorContext,
  direntType, gfidParse,
} from '@glusterts/libglusterfs';
import { type MetaNode, dir } from './nodes.js';
import { metaTree } from './tree.js';

export const options: readonly OptionSpec[] = [{ key: 'meta-dir-name', type: 'str', default: '.meta' }];

const META_ROOT_GFID = gfidParse('ba926388-bb9c-4eec-ad60-79dba4cc083a') ?? NULL_GFID;
/** d_ino of an entry is its position plus this (spec/client.md, §14). */
const INO_BASE = 42;
const BLKSIZE = 131072;
/** Bytes of one write that are read. */
const WRITE_MAX = 4096;

/** Listed first in every folder; the kernel knows both, and what is behind them is nobody's question. */
const DOTS = ['.', '..'].map((name): [Bytes, () => MetaNode] => [name as Bytes, () => dir(() => [])]);

interface MetaCtx {
  readonly node: MetaNode;
  readonly gfid: Gfid;
}

/**
 * meta: the process seen as files under `/.meta` (spec/client.md, §14). It lies on top of a mount's graph; whatever isn't
 * in its tree passes through, without so much as another promise.
 */
export class Meta extends Xlator {
  readonly #ctx: CtxSlot<MetaCtx>;
  readonly #content: CtxSlot<Uint8Array>;

  constructor(context: XlatorContext) {
    super(context);
    this.#ctx = this.newCtxSlot<MetaCtx>();
    this.#content = this.newCtxSlot<Uint8Array>();
  }

  override lookup(frame: Frame, loc: Loc, xdata: Xdata): Promise<LookupReply> {
    const known = this.#ctx.get(loc.inode);
    if (known) return Promise.resolve(this.#found(loc, known));
    if (loc.parent) {
      if (loc.parent.isRoot && loc.name === this.options.text('meta-dir-name')) {
        return Promise.resolve(this.#found(loc, { node: metaTree(this.graph), gfid: META_ROOT_GFID }));
      }
      const parent = this.#ctx.get(loc.parent);
      if (parent) return this.#lookupIn(parent.node, loc);
    }
    return this.child.lookup(frame, loc, xdata);
  }

  async #lookupIn(parent: MetaNode, loc: Loc): Promise<LookupReply> {
    const make = parent.kind === 'dir' ? parent.entries().get(loc.name) : undefined;
    if (!make) throw new FopError(Errno.ENOENT);
    return this.#found(loc, { node: make(), gfid: this.graph.platform.random.uuid() });
  }

  #found(loc: Loc, ctx: MetaCtx): LookupReply {
    this.#ctx.set(loc.inode, ctx);
    return { inode: loc.inode, stat: this.#iatt(ctx), postparent: this.#iatt(ctx), xdata: undefined };
  }

  override stat(frame: Frame, loc: Loc, xdata: Xdata): Promise<StatReply> {
    const ctx = this.#ctx.get(loc.inode);
    return ctx ? Promise.resolve({ stat: this.#iatt(ctx), xdata: undefined }) : this.child.stat(frame, loc, xdata);
  }

  override fstat(frame: Frame, fd: Fd, xdata: Xdata): Promise<StatReply> {
    const ctx = this.#ctx.get(fd.inode);
    return ctx ? Promise.resolve({ stat: this.#iatt(ctx), xdata: undefined }) : this.child.fstat(frame, fd, xdata);
  }

  override access(frame: Frame, loc: Loc, mask: number, xdata: Xdata): Promise<PlainReply> {
    return this.#ctx.get(loc.inode) ? Promise.resolve({ xdata: undefined }) : this.child.access(frame, loc, mask, xdata);
  }

  override open(frame: Frame, loc: Loc, flags: number, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    const ctx = this.#ctx.get(loc.inode);
    if (!ctx) return this.child.open(frame, loc, flags, fd, xdata);
    // Whether it may be written to, the write itself is told (vectors/client/fuse-trace-acl-timeouts-interrupt.txt). The size is shown as 0: only direct
    // I/O reads on to the end.
    return Promise.resolve({ fd, xdata: new Dict().setInt('direct-io-mode', 1) });
  }

  override readv(frame: Frame, fd: Fd, size: number, offset: number, flags: number, xdata: Xdata): Promise<ReadReply> {
    const ctx = this.#ctx.get(fd.inode);
    return ctx ? this.#read(ctx, fd, size, offset) : this.child.readv(frame, fd, size, offset, flags, xdata);
  }

  async #read(ctx: MetaCtx, fd: Fd, size: number, offset: number): Promise<ReadReply> {
    if (ctx.node.kind !== 'file') throw new FopError(Errno.EISDIR);
    let content = this.#content.get(fd);
    if (!content) this.#content.set(fd, (content = Buffer.from(ctx.node.content(), 'latin1')));
    const part = content.subarray(offset, offset + size);
    return { vector: IoVec.from(part), stat: this.#iatt(ctx), eof: offset + part.length >= content.length, xdata: undefined };
  }

  override writev(frame: Frame, fd: Fd, vector: IoVec, offset: number, flags: number, xdata: Xdata): Promise<WriteReply> {
    const ctx = this.#ctx.get(fd.inode);
    return ctx ? this.#write(ctx, vector) : this.child.writev(frame, fd, vector, offset, flags, xdata);
  }

  async #write({ node, gfid }: MetaCtx, vector: IoVec): Promise<WriteReply> {
    if (!isWritable(node)) throw new FopError(Errno.EPERM);
    // A number and a newline; nobody has more to say.
    node.write(Buffer.from(vector.slice(0, WRITE_MAX).toUint8Array()).toString('latin1'));
    const stat = this.#iatt({ node, gfid });
    return { written: vector.size, prestat: stat, poststat: stat, xdata: undefined };
  }

  override truncate(frame: Frame, loc: Loc, offset: number, xdata: Xdata): Promise<PrePostReply> {
    const ctx = this.#ctx.get(loc.inode);
    return ctx ? this.#truncated(ctx) : this.child.truncate(frame, loc, offset, xdata);
  }

  override ftruncate(frame: Frame, fd: Fd, offset: number, xdata: Xdata): Promise<PrePostReply> {
    const ctx = this.#ctx.get(fd.inode);
    return ctx ? this.#truncated(ctx) : this.child.ftruncate(frame, fd, offset, xdata);
  }

  /** What `> file` does first. */
  #truncated(ctx: MetaCtx): Promise<PrePostReply> {
    const stat = this.#iatt(ctx);
    return Promise.resolve({ prestat: stat, poststat: stat, xdata: undefined });
  }

  override flush(frame: Frame, fd: Fd, xdata: Xdata): Promise<PlainReply> {
    return this.#ctx.get(fd.inode) ? Promise.resolve({ xdata: undefined }) : this.child.flush(frame, fd, xdata);
  }

  override readlink(frame: Frame, loc: Loc, size: number, xdata: Xdata): Promise<ReadlinkReply> {
    const ctx = this.#ctx.get(loc.inode);
    if (!ctx) return this.child.readlink(frame, loc, size, xdata);
    if (ctx.node.kind !== 'link') return Promise.reject(new FopError(Errno.EINVAL));
    return Promise.resolve({ path: ctx.node.target().slice(0, size) as Bytes, stat: this.#iatt(ctx), xdata: undefined });
  }

  override opendir(frame: Frame, loc: Loc, fd: Fd, xdata: Xdata): Promise<OpenReply> {
    return this.#ctx.get(loc.inode) ? Promise.resolve({ fd, xdata: undefined }) : this.child.opendir(frame, loc, fd, xdata);
  }

  override readdir(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply> {
    const ctx = this.#ctx.get(fd.inode);
    return ctx ? this.#list(ctx, size, offset) : this.child.readdir(frame, fd, size, offset, xdata);
  }

  override readdirp(frame: Frame, fd: Fd, size: number, offset: bigint, xdata: Xdata): Promise<ReaddirReply<Direntp>> {
    const ctx = this.#ctx.get(fd.inode);
    if (!ctx) return this.child.readdirp(frame, fd, size, offset, xdata);
    return this.#list(ctx, size, offset).then((reply) => ({ ...reply, entries: reply.entries.map((entry) => ({ ...entry, stat: new Iatt(), dict: undefined, inode: undefined })) }));
  }

  async #list(ctx: MetaCtx, size: number, offset: bigint): Promise<ReaddirReply> {
    if (ctx.node.kind !== 'dir') throw new FopError(Errno.ENOTDIR);
    const entries: Dirent[] = [];
    const all: [Bytes, () => MetaNode][] = [...DOTS, ...ctx.node.entries()];
    let room = size;
    for (let i = Number(offset); i < all.length; i++) {
      const [name, make] = all[i] ?? [];
      if (name === undefined || make === undefined) break;
      room -= 24 + name.length;
      if (room < 0) return { entries, eof: false, xdata: undefined };
      entries.push({ d_ino: BigInt(i + INO_BASE), d_off: BigInt(i + 1), d_type: direntType(iaType(make())), name });
    }
    return { entries, eof: true, xdata: undefined };
  }

  override getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    // As a brick that has never heard of the file.
    return this.#ctx.get(loc.inode) ? Promise.reject(new FopError(Errno.ESTALE)) : this.child.getxattr(frame, loc, name, xdata);
  }

  override release(fd: Fd): void {
    this.#content.delete(fd);
  }

  override forget(inode: Inode): void {
    this.#ctx.delete(inode);
  }

  #iatt(ctx: MetaCtx): Iatt {
    const stat = new Iatt().setGfid(ctx.gfid);
    const { sec, nsec } = this.graph.platform.clock.realtime();
    stat.ia_type = iaType(ctx.node);
    stat.ia_prot = ctx.node.kind === 'dir' ? 0o555 : ctx.node.kind === 'link' ? 0o777 : isWritable(ctx.node) ? 0o644 : 0o444;
    stat.ia_nlink = ctx.node.kind === 'dir' ? 2 : 1;
    stat.ia_blksize = BLKSIZE;
    stat.ia_atime = stat.ia_mtime = stat.ia_ctime = sec;
    stat.ia_atime_nsec = stat.ia_mtime_nsec = stat.ia_ctime_nsec = nsec;
    return stat;
  }
}

function isWritable(node: MetaNode): node is Extract<MetaNode, { kind: 'file' }> & { readonly write: (text: string) => void } {
  return node.kind === 'file' && node.write !== undefined;
}

function iaType(node: MetaNode): IaType {
  return node.kind === 'dir' ? IaType.DIR : node.kind === 'link' ? IaType.LNK : IaType.REG;
}
