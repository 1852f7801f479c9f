import { writeFileSync } from 'node:fs';
import { loadNative } from '@glusterts/libglusterfs';
import { LONG_QUEUE } from './daemonise.js';

/**
 * Makes the process known under its GlusterFS name. bin/ starts node with that name as argv[0], so that `ps` shows it before its
 * arguments and `pidof` finds it; the short name is the kernel's own (comm), for `pgrep -x` and `killall`; and node's script, the word
 * after it, is taken out of the command line (and our own word for V8), which scripts search for `glusterfs -s SERVER`. process.title is left
 * alone: it would run the arguments together, and scripts read /proc/PID/cmdline word by word.
 */
export function setProcessName(name: string): void {
  const native = loadNative<{ cmdlineWithout(index: number): number }>('cmdlineWithout');
  native?.cmdlineWithout(1 + process.execArgv.length);
  if (process.execArgv[0] === LONG_QUEUE) native?.cmdlineWithout(1);
  try {
    writeFileSync('/proc/self/comm', name);
  } catch {
    // Not Linux: argv[0] has to do.
  }
}
