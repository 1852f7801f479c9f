import { type Dict, Frame, GlusterLogger, Graph, Iatt, Loc, ROOT_GFID, type StatReply, Xlator, type XlatorDefinition, XlatorLoader, createPlatform } from '@glusterts/libglusterfs';
import { type MicroRow, timedAsync } from './timing.js';

class Leaf extends Xlator {
  readonly #stat = new Iatt().setGfid(ROOT_GFID);

  override async stat(): Promise<StatReply> {
    return { stat: this.#stat, xdata: undefined };
  }
}

/** Defines nothing that is called: fops are bound past it. */
class Passing extends Xlator {}

/** Defines the fop as most xlators do. */
class Winding extends Xlator {
  override async stat(frame: Frame, loc: Loc, xdata: Dict | undefined): Promise<StatReply> {
    return this.child.stat(frame, loc, xdata);
  }
}

/** Looks at the answer. */
class Awaiting extends Xlator {
  override async stat(frame: Frame, loc: Loc, xdata: Dict | undefined): Promise<StatReply> {
    const reply = await this.child.stat(frame, loc, xdata);
    return reply;
  }
}

const definition = (type: string, Class: new (...args: ConstructorParameters<typeof Leaf>) => Xlator): XlatorDefinition => ({ type, options: [], create: (context) => new Class(context) });
const KINDS = { 'bound past': Passing, winding: Winding, awaiting: Awaiting };

/** One fop through so many layers. */
export async function layers(ms: number): Promise<MicroRow[]> {
  const rows: MicroRow[] = [];
  const platform = createPlatform();
  const log = GlusterLogger.create('bench', { sink: () => undefined, clock: platform.clock });
  for (const [kind, Class] of Object.entries(KINDS)) {
    for (const count of [1, 10, 30]) {
      let volfile = 'volume l0\n type bench/leaf\n option directory none\nend-volume\n';
      for (let i = 1; i <= count; i++) volfile += `volume l${i}\n type bench/layer\n subvolumes l${i - 1}\nend-volume\n`;
      const loader = new XlatorLoader().add(definition('bench/leaf', Leaf), definition('bench/layer', Class));
      const graph = await Graph.load(volfile, { platform, log, loader });
      await graph.activate();
      const loc = new Loc({ inode: graph.inodeTable.root, gfid: ROOT_GFID });
      const frame = new Frame();
      rows.push(await timedAsync(`one fop through ${count} layer${count > 1 ? 's' : ''}, ${kind}`, () => graph.topSubvolume.stat(frame, loc, undefined), ms));
      await graph.fini();
    }
  }
  return rows;
}
