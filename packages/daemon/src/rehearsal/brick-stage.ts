import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { GfEvent, type GraphOptions, type Platform, Xlator, type XlatorLoader, methodsOf, neverOptimised, parseVolfile } from '@glusterts/libglusterfs';
import { BrickCaller } from './brick-caller.js';
import { ClientTape } from './client-tape.js';
import { PrivateWorld } from './private-world.js';
import { ScratchFolder } from './scratch-folder.js';
import { moveBrick, soleClient } from './volfiles.js';

export interface BrickStage {
  readonly world: PrivateWorld;
  readonly caller: BrickCaller;
  /** Of what the caller sends. */
  readonly tape: ClientTape;
  readonly dispersed: boolean;
}

/**
 * A brick's graph in a world of its own, in a folder in memory, with a client that is connected to it. The real brick's folder is not touched.
 * Undefined when there is no brick, or no place for it.
 */
export async function withBrickStage<T>(text: string, platform: Platform, loader: XlatorLoader, options: Pick<GraphOptions, 'xlatorOptions' | 'cmdArgs'>, use: (stage: BrickStage) => Promise<T>): Promise<T | undefined> {
  using folder = ScratchFolder.inMemory();
  if (!folder) return undefined;
  const brick = path.join(folder.path, 'brick');
  const socket = path.join(folder.path, 'socket');
  const moved = moveBrick(parseVolfile(text).volumes, brick, socket);
  if (!moved) return undefined;
  // As glusterd leaves it.
  mkdirSync(path.join(brick, '.glusterfs', 'indices'), { recursive: true });
  const world = new PrivateWorld(platform, loader);
  try {
    const { xlatorOptions = [], cmdArgs } = options;
    await world.start(moved.text, { xlatorOptions: xlatorOptions.filter((option) => !option.includes('listen-port')), ...(cmdArgs ? { cmdArgs } : {}) });
    const tape = new ClientTape(platform.iobufs);
    const graph = await world.start(soleClient(moved.name, socket), { network: tape.listening(platform.network) });
    for (const xlator of graph.xlators) neverOptimised(methodsOf(xlator, Xlator.prototype));
    if ((await graph.whenSettled()) !== GfEvent.CHILD_UP) return undefined;
    return await use({ world, caller: new BrickCaller(graph, world.platform, moved.dispersed), tape, dispersed: moved.dispersed });
  } finally {
    await world.end();
  }
}
