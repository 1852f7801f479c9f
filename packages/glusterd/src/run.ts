import { type Logger, type Platform, applyEventThreads } from '@glusterts/libglusterfs';
import type { GlusterdConfig } from './config.js';
import { Glusterd } from './glusterd.js';
import type { System } from './platform/system.js';
import { GlusterdServers } from './rpc/servers.js';

/** A daemon that serves. */
export interface RunningGlusterd {
  readonly glusterd: Glusterd;
  /** Stops serving; bricks go on. */
  close(): Promise<void>;
}

/**
 * Starts glusterd: store, listeners, then the bricks of started volumes in the background (spec/glusterd.md, §1).
 *
 * @throws StoreError on a corrupt store, FopError when an address is in use
 */
export async function startGlusterd(platform: Platform, system: System, config: GlusterdConfig, log: Logger): Promise<RunningGlusterd> {
  const glusterd = new Glusterd(platform, system, config, log);
  glusterd.restore();
  applyEventThreads(glusterd, platform.network, config.eventThreads, log);
  const servers = new GlusterdServers(glusterd);
  if (!config.upgrade) {
    await servers.listen();
    glusterd.startVolumes().catch((error: unknown) => log.error(0, `starting volumes: ${String(error)}`));
  }
  return {
    glusterd,
    close: () => {
      applyEventThreads(glusterd, platform.network, 1, log);
      return servers.close();
    },
  };
}
