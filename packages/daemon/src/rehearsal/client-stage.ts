import path from 'node:path';
import { type Graph, type GraphOptions, GfEvent, type Platform, Xlator, type XlatorLoader, methodsOf, neverOptimised, parseVolfile } from '@glusterts/libglusterfs';
import { PrivateWorld } from './private-world.js';
import { ScratchFolder } from './scratch-folder.js';
import { memoryBrick, redirectClients } from './volfiles.js';

/** More bricks than these are not played: the time would go by with connecting. */
const BRICKS_MAX = 64;

export interface ClientStage {
  readonly world: PrivateWorld;
  readonly graph: Graph;
}

/**
 * A client's graph in a world of its own: each protocol/client is connected to a brick in memory, over a real socket.
 * @param text the volfile that the process serves
 * Undefined when there is nothing to play: no bricks, or too many.
 */
export async function withClientStage<T>(text: string, platform: Platform, loader: XlatorLoader, options: Pick<GraphOptions, 'inodeTable' | 'xlatorOptions' | 'autoload' | 'cmdArgs'>, use: (stage: ClientStage) => Promise<T>): Promise<T | undefined> {
  using folder = ScratchFolder.forSockets();
  const socketOf = (brick: number): string => path.join(folder.path, String(brick));
  const nameOf = (brick: number): string => `rehearsal-${brick}`;
  const { text: volfile, bricks } = redirectClients(parseVolfile(text).volumes, socketOf, nameOf);
  if (bricks === 0 || bricks > BRICKS_MAX) return undefined;
  const world = new PrivateWorld(platform, loader);
  try {
    // Mounts aren't bricks: what is learnt of them in this process is of no use.
    for (let brick = 0; brick < bricks; brick++) for (const xlator of (await world.start(memoryBrick(nameOf(brick), socketOf(brick)))).xlators) neverOptimised(methodsOf(xlator, Xlator.prototype));
    const graph = await world.start(volfile, options);
    if ((await graph.whenSettled()) !== GfEvent.CHILD_UP) return undefined;
    return await use({ world, graph });
  } finally {
    await world.end();
  }
}
