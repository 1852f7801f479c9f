import { type Client, Errno, FOP_NAMES, FopError, type Frame, GfEvent, Xlator, type XlatorContext, type XlatorDefinition } from '@glusterts/libglusterfs';

type AnyFop = (frame: Frame, ...args: readonly unknown[]) => Promise<unknown>;

function newClient(): Client {
  return { uid: 'cable', ctx: new Map(), callback: () => undefined };
}

/**
 * A cable between disperse and a brick, which a test can unplug: fops fail with ENOTCONN, the parents hear of it, and the brick lets go of the locks that
 * came through it.
 */
export class Cable extends Xlator {
  static readonly all = new Map<string, Cable>();
  plugged = true;
  #client = newClient();
  /** Unplugs itself after this many more fops of the given name. */
  cutAt: { readonly fop: string; left: number } | undefined;

  constructor(context: XlatorContext) {
    super(context);
    Cable.all.set(context.name, this);
    for (const fop of FOP_NAMES) {
      const carry: AnyFop = async (frame, ...args) => {
        if (this.cutAt?.fop === fop && this.cutAt.left-- <= 0) {
          this.cutAt = undefined;
          this.unplug();
        }
        if (!this.plugged) throw new FopError(Errno.ENOTCONN);
        const wind = this.child[fop] as AnyFop;
        const sent = frame.copy();
        sent.client = this.#client;
        const reply = await wind(sent, ...args);
        // What the brick did stays done; the answer is lost.
        if (!this.plugged) throw new FopError(Errno.ENOTCONN);
        return reply;
      };
      Object.defineProperty(this, fop, { value: carry });
    }
  }

  unplug(): void {
    if (!this.plugged) return;
    this.plugged = false;
    this.child.xlator.client_disconnect?.(this.#client);
    this.#client = newClient();
    super.notify(GfEvent.CHILD_DOWN, this);
  }

  plug(): void {
    if (this.plugged) return;
    this.plugged = true;
    super.notify(GfEvent.CHILD_UP, this);
  }
}

export const cable: XlatorDefinition = { type: 'test/cable', options: [{ key: 'note', type: 'str' }], create: (context) => new Cable(context) };

/** A disperse volume over memory bricks, each behind a cable named `cable-N`. */
export function cabledVolfile(bricks: number, redundancy: number, options: readonly string[] = []): string {
  let text = '';
  for (let i = 0; i < bricks; i++) text += `volume brick-${i}\n type storage/memory\n option size 0\nend-volume\nvolume cable-${i}\n type test/cable\n option note x\n subvolumes brick-${i}\nend-volume\n`;
  return `${text}volume v-disperse-0\n type cluster/disperse\n option redundancy ${redundancy}\n${options.map((line) => ` option ${line}\n`).join('')} subvolumes ${Array.from({ length: bricks }, (_, i) => `cable-${i}`).join(' ')}\nend-volume\n`;
}
