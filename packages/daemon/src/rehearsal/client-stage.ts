import path from 'node:path';
import { type Graph, type GraphOptions, GfEvent, type Network, type Platform, Xlator, type XlatorLoader, methodsOf, neverOptimised, parseVolfile } from '@glusterts/libglusterfs';
import { BrickTape } from './brick-tape.js';
import { PrivateWorld } from './private-world.js';
import { ScratchFolder } from './scratch-folder.js';
import { memoryBrick, redirectClients } from './volfiles.js';

/** More bricks than these are not played: the time would go by with connecting. */
const BRICKS_MAX = 64;

export interface ClientStage {
  readonly world: PrivateWorld;
  readonly graph: Graph;
  /** Of what the bricks answer, one for each; none where the same round isn't asked in the same way twice. */
  readonly tapes: readonly BrickTape[];
}

/**
 * A client's graph in a world of its own: each protocol/client is connected to a brick in memory, over a real socket, or to what such a brick has answered before.
 * @param text the volfile that the process serves
 * Undefined when there is nothing to play: no bricks, or too many.
 */
export async function withClientStage<T>(text: string, platform: Platform, loader: XlatorLoader, options: Pick<GraphOptions, 'inodeTable' | 'xlatorOptions' | 'autoload' | 'cmdArgs'>, use: (stage: ClientStage) => Promise<T>): Promise<T | undefined> {
  using folder = ScratchFolder.forSockets();
  const socketOf = (brick: number): string => path.join(folder.path, String(brick));
  const nameOf = (brick: number): string => `rehearsal-${brick}`;
  const { volumes } = parseVolfile(text);
  const { text: volfile, bricks } = redirectClients(volumes, socketOf, nameOf);
  if (bricks === 0 || bricks > BRICKS_MAX) return undefined;
  const world = new PrivateWorld(platform, loader);
  try {
    // Mounts aren't bricks: what is learnt of them in this process is of no use.
    const tapes: BrickTape[] = [];
    // What a dispersed volume asks next depends on which bricks it asked before, and how long their locks are held.
    const repeatable = !volumes.some(({ type }) => type === 'cluster/disperse');
    for (let brick = 0; brick < bricks; brick++) {
      const { xlators } = await world.start(memoryBrick(nameOf(brick), socketOf(brick)), repeatable ? { network: taped(tapes, platform) } : {});
      for (const xlator of xlators) neverOptimised(methodsOf(xlator, Xlator.prototype));
    }
    const graph = await world.start(volfile, options);
    // What they do for an entry is compiled by itself; their loops would have all of it once more, for a few calls to each listing.
    neverOptimised(graph.xlators.map(({ readdirp }) => readdirp));
    if ((await graph.whenSettled()) !== GfEvent.CHILD_UP) return undefined;
    return await use({ world, graph, tapes });
  } finally {
    await world.end();
  }
}

/** The network of one more brick, whose answers are recorded. */
function taped(tapes: BrickTape[], platform: Platform): Network {
  const tape = new BrickTape(platform.iobufs);
  tapes.push(tape);
  return tape.listening(platform.network);
}
