import { type Bytes, Dict, type EntryReply, type Fd, type Frame, type GetxattrReply, GfEvent, IaType, type Loc, type RenameReply, type StatedumpWriter, type Xdata, Xlator, type XlatorContext } from '@glusterts/libglusterfs';
import { readSubvolumeDisk } from './disk-usage.js';
import { Key, xattrNames } from './keys.js';
import { encodeLayout } from './layout.js';
import { renameOp } from './rename.js';
import { readSettings } from './settings.js';
import { dumpDht } from './statedump.js';
import { Subvol } from './subvol.js';

/**
 * cluster/distribute over one subvolume: nothing to distribute (spec/dht.md, §11, last paragraph). What it doesn't define
 * goes straight to the child.
 */
export class PassThrough extends Xlator {
  readonly #xattr = xattrNames(this.options.text('xattr-name') ?? 'trusted.glusterfs.dht');

  readonly #subvol: Subvol;
  /** As distribute's: grows when the subvolume comes up. */
  #generation = 1;

  constructor(context: XlatorContext) {
    super(context);
    this.#subvol = new Subvol(0, this.child);
  }

  override notify(event: GfEvent, data?: unknown, from?: Xlator): void {
    if (from === this.#subvol.fops.xlator && (event === GfEvent.CHILD_UP || event === GfEvent.CHILD_DOWN)) {
      this.#subvol.up = event === GfEvent.CHILD_UP;
      if (this.#subvol.up) {
        this.#generation++;
        // For statedumps alone: nothing is decided by it.
        readSubvolumeDisk(this.graph, this.#subvol, undefined).catch((error: unknown) => this.log.debug(0, `no statfs of ${this.#subvol.name}: ${String(error)}`));
      }
    }
    super.notify(event, data, from);
  }

  override dump(writer: StatedumpWriter): void {
    dumpDht({ name: this.name, subvols: [this.#subvol], settings: readSettings(this.options), generation: this.#generation }, writer);
  }

  /** Gives new directories the layout that they need once there are more subvolumes. */
  override mkdir(frame: Frame, loc: Loc, mode: number, umask: number, xdata: Xdata): Promise<EntryReply> {
    const request = xdata?.clone() ?? new Dict();
    request.setBin(this.#xattr.layout, WHOLE);
    return this.child.mkdir(frame, loc, mode, umask, request);
  }

  override rename(frame: Frame, oldloc: Loc, newloc: Loc, xdata: Xdata): Promise<RenameReply> {
    if (oldloc.inode.ia_type === IaType.DIR) return this.child.rename(frame, oldloc, newloc, xdata);
    const request = xdata?.clone() ?? new Dict();
    return this.child.rename(frame, oldloc, newloc, request.setBin(Key.RENAME_OP, renameOp(oldloc, newloc)));
  }

  override async getxattr(frame: Frame, loc: Loc, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    if (name === 'dht.subvol.status') return { dict: new Dict().setInt(name, 1), xdata: undefined };
    return this.#withoutOwn(frame, await this.child.getxattr(frame, loc, name, xdata));
  }

  override async fgetxattr(frame: Frame, fd: Fd, name: Bytes | undefined, xdata: Xdata): Promise<GetxattrReply> {
    return this.#withoutOwn(frame, await this.child.fgetxattr(frame, fd, name, xdata));
  }

  #withoutOwn(frame: Frame, reply: GetxattrReply): GetxattrReply {
    for (const key of [this.#xattr.layout, this.#xattr.mds, this.#xattr.commitHash]) reply.dict.delete(key);
    if (frame.pid >= 0) for (const key of reply.dict.keys()) if (key.startsWith('trusted.glusterfs.quota') || key.startsWith('trusted.pgfid')) reply.dict.delete(key);
    return reply;
  }
}

const WHOLE = encodeLayout({ start: 0, stop: 0xffffffff, commit: 0 }, 0);
