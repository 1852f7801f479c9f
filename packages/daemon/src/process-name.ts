import { writeFileSync } from 'node:fs';

/**
 * Makes the process known under its GlusterFS name: `ps` shows the name and its arguments, `pidof` and `pgrep -x` find it. The
 * title goes over argv, where bin/ has left room; the short name is the kernel's own (comm).
 */
export function setProcessName(name: string, argv: readonly string[]): void {
  process.title = [name, ...argv].join(' ');
  try {
    // process.title sets comm to the title's first 15 bytes, arguments and all.
    writeFileSync('/proc/self/comm', name);
  } catch {
    // Not Linux: the title has to do.
  }
}
