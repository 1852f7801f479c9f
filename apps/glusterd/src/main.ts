/** glusterd: the management daemon. */
import { setFlagsFromString } from 'node:v8';

/**
 * V8 collects a process that is idle 8 s after its start: in glusterd's case just when the volume that was started and mounted is used for the first time, and for 25 ms
 * of a processor. It sets that timer while the program is being loaded.
 */
const COLLECT_AFTER_MS = 60_000;

setFlagsFromString(`--gc-memory-reducer-start-delay-ms=${COLLECT_AFTER_MS}`);
await import('./glusterd.js');
