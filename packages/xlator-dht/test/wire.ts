import { Errno, FOP_NAMES, Fd, FopError, GfEvent, type ReaddirReply, type Statvfs, type StatfsReply, Xlator, type XlatorContext, type XlatorDefinition, decodeDOff, encodeDOff } from '@glusterts/libglusterfs';

type AnyFop = (...args: readonly unknown[]) => Promise<unknown>;

const OPENERS: ReadonlySet<string> = new Set(['create', 'open', 'opendir']);

/** A call that distribute made of one of its subvolumes. */
export interface Sent {
  readonly subvol: string;
  /** As in FOP_NAMES; `release` and `releasedir` beside them. */
  readonly fop: string;
  readonly args: readonly unknown[];
}

/** What stands between distribute and one brick: notes every call in the order of sending, can be cut, can tell other disk numbers. */
export class Wire extends Xlator {
  plugged = true;
  leaf = 0;
  /** Bricks of the volume. */
  leaves = 1;
  /** The disk of the brick as distribute shall see it. */
  disk: Partial<Statvfs> = {};
  readonly #sent: Sent[];
  /** Open on this brick: only those are released there. */
  readonly #opened = new WeakSet<Fd>();

  constructor(context: XlatorContext, sent: Sent[]) {
    super(context);
    this.#sent = sent;
    for (const fop of FOP_NAMES) {
      const carry: AnyFop = async (...args) => {
        sent.push({ subvol: this.name, fop, args });
        if (!this.plugged) throw new FopError(Errno.ENOTCONN);
        if (fop === 'readdir' || fop === 'readdirp') return this.#listed(fop, args);
        const reply = await (this.child[fop] as AnyFop)(...args);
        const fd = OPENERS.has(fop) ? args.find((arg) => arg instanceof Fd) : undefined;
        if (fd) this.#opened.add(fd);
        return fop === 'statfs' ? this.#told(reply as StatfsReply) : reply;
      };
      Object.defineProperty(this, fop, { value: carry });
    }
  }

  /** Offsets carry the number of the brick, as protocol/client makes them. */
  async #listed(fop: 'readdir' | 'readdirp', [frame, fd, size, offset, ...rest]: readonly unknown[]): Promise<ReaddirReply> {
    const reply = (await (this.child[fop] as AnyFop)(frame, fd, size, decodeDOff(offset as bigint, this.leaves), ...rest)) as ReaddirReply;
    return { ...reply, entries: reply.entries.map((entry) => ({ ...entry, d_off: encodeDOff(entry.d_off, this.leaf, this.leaves) })) };
  }

  #told(reply: StatfsReply): StatfsReply {
    return { ...reply, statfs: { ...reply.statfs, ...this.disk } };
  }

  override release(fd: Fd): void {
    if (this.#opened.delete(fd)) this.#sent.push({ subvol: this.name, fop: 'release', args: [] });
  }

  override releasedir(fd: Fd): void {
    if (this.#opened.delete(fd)) this.#sent.push({ subvol: this.name, fop: 'releasedir', args: [] });
  }

  unplug(): void {
    this.plugged = false;
    super.notify(GfEvent.CHILD_DOWN, this);
  }

  plug(): void {
    this.plugged = true;
    super.notify(GfEvent.CHILD_UP, this);
  }
}

/** The type `test/wire`; all of its xlators note into one list. */
export function wireInto(sent: Sent[], made: Map<string, Wire>): XlatorDefinition {
  return {
    type: 'test/wire', options: [],
    create: (context) => {
      const wire = new Wire(context, sent);
      made.set(context.name, wire);
      return wire;
    },
  };
}
