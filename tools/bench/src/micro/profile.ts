import { type Profiler, Session } from 'node:inspector/promises';

export interface ProfiledTimes {
  /** In functions with a source: ours and Node's own. What runs in C, system calls above all, is not in it. */
  readonly javaScriptMs: number;
  readonly collectorMs: number;
}

const INTERVAL_US = 50;
/** A longer gap between two samples: the process did not run. */
const GAP_MAX_US = 4 * INTERVAL_US;
const COLLECTOR = '(garbage collector)';

/** Runs it under V8's sampling profiler, which tells JavaScript from C. */
export async function profiled(run: () => Promise<unknown>): Promise<ProfiledTimes> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
  await session.post('Profiler.start');
  await run();
  const { profile }: { profile: Profiler.Profile } = await session.post('Profiler.stop');
  session.disconnect();
  const kinds = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName === COLLECTOR ? 'collector' : callFrame.url === '' ? 'other' : 'javaScript']));
  const us = { javaScript: 0, collector: 0, other: 0 };
  profile.samples?.forEach((node, i) => {
    const kind = kinds.get(node);
    // Negative when the profiler's clock was read out of turn.
    const delta = Math.min(Math.max(0, profile.timeDeltas?.[i + 1] ?? 0), GAP_MAX_US);
    if (kind === 'javaScript' || kind === 'collector') us[kind] += delta;
  });
  return { javaScriptMs: us.javaScript / 1000, collectorMs: us.collector / 1000 };
}
