import type { Logger } from '@glusterts/libglusterfs';
import type { System } from './platform/system.js';

/** Runs the scripts of one directory in order; what they answer is only logged (spec/glusterd.md, §15). */
export async function runHooks(system: System, log: Logger, directory: string, volume: string, words: readonly string[]): Promise<void> {
  for (const script of system.hookScripts(directory)) {
    const status = await system.run([`${directory}/${script}`, `--volname=${volume}`, ...words]);
    if (status !== 0) log.warning(106031, `Failed to execute script: ${directory}/${script}: exit status ${status}`);
    else log.info(106031, `Ran script: ${directory}/${script}`);
  }
}
