import type { Logger } from './logging.js';
import type { Network } from './platform/network.js';

/**
 * What `event-threads` asks for, of an xlator or of glusterd. One that isn't set is 1, not GlusterFS's default of 2: its threads do all of the
 * network's work, ours only move large payloads (docs/rpc.md, "Event threads").
 * @param count the option's value, checked already
 */
export function applyEventThreads(owner: object, network: Network, count: unknown, log: Logger): void {
  const asked = typeof count === 'number' ? count : 1;
  const got = network.setEventThreads?.(owner, asked);
  if (got !== undefined && got < asked) log.warning(0, 'the system gives fewer event threads than asked for', { asked, got });
}
