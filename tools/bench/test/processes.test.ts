import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { cpuSecondsOf, usageOf } from '../src/processes.js';

const reason = process.platform === 'linux' && process.getuid?.() === 0 ? undefined : 'a process namespace of its own needs Linux and root';
if (reason !== undefined) console.warn(`usage of daemons is not tested: ${reason}`);

describe.skipIf(reason !== undefined)('usage of daemons', () => {
  it('counts the processor time and memory of a brick, and no other program', async () => {
    const program = "process.title = 'glusterfsd'; const end = Date.now() + 300; while (Date.now() < end); console.log('done'); setTimeout(() => {}, 1e6);";
    const unshare = spawn('unshare', ['--pid', '--fork', '--kill-child', process.execPath, '-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(unshare.stdout, 'data');
      const daemon = Number(execFileSync('pgrep', ['-P', String(unshare.pid)], { encoding: 'utf8' }).trim());
      const usages = usageOf(daemon, 'all');
      expect(usages.brick.processes).toBe(1);
      expect(cpuSecondsOf(usages)).toBeGreaterThan(0.05);
      expect(usages.brick.rssMiB).toBeGreaterThan(10);
      expect(usages.brick.peakRssMiB).toBeGreaterThan(usages.brick.rssMiB - 1);
      expect(usages.brick.pssMiB).toBeGreaterThan(1);
      expect(usages.mount.processes + usages.glusterd.processes + usages['self-heal'].processes).toBe(0);
    } finally {
      unshare.kill('SIGKILL');
      await once(unshare, 'exit');
    }
  });
});
