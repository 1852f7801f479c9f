import type { FuseDevice, Logger, Platform } from '@glusterts/libglusterfs';
import { ActiveGraph, type MountGraph } from '../active-graph.js';
import { FuseBridge } from '../bridge.js';
import type { FuseOptions } from '../options.js';
import { type Next, play } from './play.js';
import { PlayedKernel } from './played-kernel.js';

export interface MountRehearsal {
  readonly platform: Platform;
  /** As the real mount's. */
  readonly options: FuseOptions;
  readonly log: Logger;
  readonly next: Next;
  /** Of several that play at once, which: their devices differ, as the real one differs from both. */
  readonly cast?: number;
  /** Told before each round: those of one variant ask the same. */
  readonly begin?: (variant: number) => void;
  /** Lets so many milliseconds go by for the graph. */
  readonly pass?: (ms: number) => void;
  readonly say?: (scene: string, operations: number) => void;
}

/**
 * Plays the kernel to a bridge of its own over this graph, which serves nobody else and has settled. Nothing is left in it then but the graph.
 * Resolves with the number of requests.
 */
export async function rehearseMount(graph: MountGraph, rehearsal: MountRehearsal): Promise<number> {
  const { platform, options, log } = rehearsal;
  let fatal: string | undefined;
  const bridge = new FuseBridge(platform, options, log, (reason) => (fatal = reason));
  const kernel = new PlayedKernel(bridge, platform, { uid: 0, gid: 0, pid: process.pid });
  bridge.attach(rehearsal.cast === 1 ? behind(kernel.device) : kernel.device);
  const active = new ActiveGraph(graph, true);
  bridge.activate(active);
  try {
    await kernel.init();
    await play(kernel, () => fatal === undefined && rehearsal.next(), rehearsal);
  } finally {
    kernel.forgetAll();
    await active.drained();
    kernel.close();
    bridge.clear();
  }
  return kernel.sent;
}

function behind(device: FuseDevice): FuseDevice {
  return {
    write: (chunks) => device.write(chunks),
    notify: (messages) => device.notify(messages),
    pause: () => device.pause(),
    resume: () => device.resume(),
    close: () => device.close(),
  };
}
