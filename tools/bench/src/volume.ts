import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Host, type HostOptions } from './host.js';
import { UsageError } from './usage-error.js';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');

/** Who serves: this checkout, or the GlusterFS that the machine has. */
export type Side = 'ours' | 'GlusterFS';

export interface Layout {
  readonly bricks: number;
  /** The words of `gluster volume create` between the name and the bricks. */
  readonly words: string;
}

export const LAYOUTS: Readonly<Record<string, Layout>> = {
  'distribute-2': { bricks: 2, words: '' },
  'disperse-4+2': { bricks: 6, words: 'disperse 6 redundancy 2' },
  'replicate-3': { bricks: 3, words: 'replica 3' },
};

export function layoutNamed(name: string): Layout {
  const layout = LAYOUTS[name];
  if (!layout) throw new UsageError(`unknown volume ${name}; known: ${Object.keys(LAYOUTS).join(', ')}`);
  return layout;
}

export interface VolumeUse {
  readonly mounts?: number;
  /** Seconds in which nobody uses the mounts when they have been made. */
  readonly restSeconds?: number;
}

/** A started volume named `v` on a host of its own, mounted as often as asked at /mnt/v0, /mnt/v1 …; default options. */
export async function startVolume(side: Side, layout: Layout, bricks: HostOptions['bricks'], { mounts = 1, restSeconds = 0 }: VolumeUse = {}): Promise<Host> {
  const host = await Host.start({ bricks, bin: side === 'ours' ? path.join(root, 'bin') : undefined });
  try {
    host.sh('glusterd');
    host.sh('for i in $(seq 100); do gluster --mode=script volume list >/dev/null 2>&1 && exit 0; sleep 0.2; done; exit 1');
    const names = Array.from({ length: layout.bricks }, (_, i) => `benchhost:/d/b${i}`).join(' ');
    host.sh(`gluster --mode=script volume create v ${layout.words} ${names} force && gluster --mode=script volume start v`);
    for (let i = 0; i < mounts; i++) {
      host.sh(`mkdir -p /mnt/v${i} && glusterfs -s benchhost --volfile-id v /mnt/v${i}`);
      host.sh(`for i in $(seq 100); do touch /mnt/v${i}/ready 2>/dev/null && exit 0; sleep 0.1; done; exit 1`);
    }
    await new Promise((resolve) => setTimeout(resolve, restSeconds * 1000));
    return host;
  } catch (error) {
    await host.stop();
    throw error;
  }
}
