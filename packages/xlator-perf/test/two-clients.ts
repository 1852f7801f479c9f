import { type Bytes, type Dict, Frame, type Graph, Iatt, type Inode, Loc, type LookupReply, type Platform, type WriteReply, type XlatorDefinition, createPlatform } from '@glusterts/libglusterfs';
import { GraphDriver, testGraph } from '@glusterts/xlator-compliance';
import { xlators as memory } from '@glusterts/xlator-memory';
import { Gate, gateDefinition } from './gate.js';

/** A clock that stands still until it is told to go on. */
export class ManualClock {
  #ms = 1_700_000_000_000;

  advance(ms: number): void {
    this.#ms += ms;
  }

  /** Every look at the time of day takes a microsecond: no two changes have the same ctime. */
  #ticks = 0;

  readonly clock = {
    wall: (): number => this.#ms,
    monotonic: (): number => this.#ms,
    realtime: (): { sec: number; nsec: number } => {
      const ticks = this.#ticks++;
      return { sec: Math.floor(this.#ms / 1000) + Math.floor(ticks / 1e6), nsec: (this.#ms % 1000) * 1_000_000 + (ticks % 1000) * 1000 };
    },
  };
}

/** One brick; a client with the xlator under test and a gate below it; another client with neither. */
export interface TwoClients {
  readonly time: ManualClock;
  readonly gate: Gate;
  readonly graph: Graph;
  readonly ours: GraphDriver;
  readonly other: GraphDriver;
  readonly volfile: string;
  down(): Promise<void>;
}

let shares = 0;

/** @param options of the xlator under test; of several, which are given from the bottom up, of the topmost one, named `cache` */
export async function twoClients(under: XlatorDefinition | readonly XlatorDefinition[], options: readonly string[] = []): Promise<TwoClients> {
  const definitions = 'type' in under ? [under] : under;
  const time = new ManualClock();
  const platform: Platform = { ...createPlatform(), clock: time.clock };
  const brick = `volume brick\n    type storage/memory\n    option share two-clients-${shares++}\nend-volume\n\n`;
  let volfile = `${brick}volume gate\n    type test/gate\n    subvolumes brick\nend-volume\n\n`;
  definitions.forEach(({ type }, i) => {
    const top = i === definitions.length - 1;
    volfile += `volume ${top ? 'cache' : `layer-${i}`}\n    type ${type}\n${top ? options.map((line) => `    option ${line}\n`).join('') : ''}    subvolumes ${i === 0 ? 'gate' : `layer-${i - 1}`}\nend-volume\n\n`;
  });
  const other = await testGraph(brick, memory, { platform });
  const graph = await testGraph(volfile, [...memory, gateDefinition, ...definitions], { platform });
  const gate = graph.find('gate');
  if (!(gate instanceof Gate)) throw new Error('no gate');
  const driverOf = (of: Graph): GraphDriver => new GraphDriver(of.topSubvolume, of, new Frame());
  const ours = driverOf(graph);
  await ours.root();
  gate.take();
  return {
    time, gate, graph, ours, other: driverOf(other), volfile,
    down: async () => {
      await graph.fini();
      await other.fini();
    },
  };
}

/** Of a name in the volume's root that the graph knows. */
export const inodeOf = (b: TwoClients, name: string): Inode => {
  const inode = b.graph.inodeTable.grep(b.graph.inodeTable.root, name as Bytes);
  if (!inode) throw new Error(`no ${name}`);
  return inode;
};
/** Without the lookups of GraphDriver. */
export const statOf = async (b: TwoClients, name: string): Promise<Iatt> => (await b.ours.subvolume.stat(b.ours.frame, new Loc({ inode: inodeOf(b, name) }), undefined)).stat;
export const lookupOf = (b: TwoClients, name: string, xdata?: Dict): Promise<LookupReply> => b.ours.subvolume.lookup(b.ours.frame, new Loc({ inode: inodeOf(b, name), parent: b.graph.inodeTable.root, name: name as Bytes }), xdata);

/** Answers writes as write-behind does: without attributes. */
export function likeWriteBehind(b: TwoClients): void {
  b.gate.alter<WriteReply>('writev', (reply) => ({ ...reply, prestat: new Iatt(), poststat: new Iatt() }));
}
