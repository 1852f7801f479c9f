import { spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { accessSync, appendFileSync, constants, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { localStoreFiles } from './local-store-files.js';
import type { System } from './system.js';

/** Of a word in /proc/mounts, where blanks and the like are octal. */
function unescapeMount(word: string): string {
  return word.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** This machine. */
export const localSystem: System = {
  files: localStoreFiles,
  async isLocalHost(host) {
    if (isIP(host)) return localSystem.isLocalAddress(host);
    try {
      const found = await lookup(host, { all: true });
      return found.some(({ address }) => localSystem.isLocalAddress(address));
    } catch {
      return false;
    }
  },
  isLocalAddress(address) {
    const plain = address.replace(/^::ffff:/, '').replace(/^\[|\]$/g, '');
    if (plain.startsWith('127.') || plain === '::1') return true;
    return Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === plain));
  },
  run(command, environment) {
    return new Promise((resolve) => {
      const [program = '', ...words] = command;
      // A daemon that the child leaves behind must not hold a pipe of ours.
      const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GLUSTERTS_STATUS')));
      const child = spawn(program, words, { stdio: 'ignore', detached: true, cwd: '/', env: { ...env, ...environment } });
      child.on('error', () => resolve(127));
      child.on('exit', (code) => resolve(code ?? 128));
    });
  },
  isRunning(pid, words) {
    try {
      // Under Node a title written over argv has blanks where others have NULs.
      const commandLine = ` ${readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')} `;
      return words.every((word) => commandLine.includes(` ${word} `)) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
    } catch {
      return false;
    }
  },
  kill(pid, signal) {
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  },
  hookScripts(directory) {
    return localStoreFiles.list(directory).filter((name) => {
      if (!name.startsWith('S') || name.endsWith('.rpmsave') || name.endsWith('.rpmnew')) return false;
      try {
        accessSync(`${directory}/${name}`, constants.X_OK);
        return statSync(`${directory}/${name}`).isFile();
      } catch {
        return false;
      }
    });
  },
  mountOf(path) {
    const mounts = readFileSync('/proc/mounts', 'latin1').split('\n').map((line) => line.split(' ').map(unescapeMount));
    const holds = (directory: string): boolean => directory === '/' || path === directory || path.startsWith(`${directory}/`);
    let best: string[] | undefined;
    // The longest directory; of mounts over each other the last one.
    for (const mount of mounts) if (mount[1] !== undefined && holds(mount[1]) && mount[1].length >= (best?.[1]?.length ?? 0)) best = mount;
    return best ? { device: best[0] ?? '', type: best[2] ?? '', options: best[3] ?? '' } : undefined;
  },
  appendLine(path, line) {
    try {
      appendFileSync(path, `${line}\n`, { encoding: 'latin1', mode: 0o600 });
    } catch {
      // The history is for people; a full disk must not stop a command.
    }
  },
};
