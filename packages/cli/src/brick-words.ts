import type { CommandFailure, CommandRun } from './session.js';

/** A host name or an address, by form alone. */
export function isHostName(host: string): boolean {
  if (/^[0-9.]+$/.test(host)) return /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/.test(host) && host.split('.').every((part) => Number(part) <= 255);
  if (host.includes(':')) return /^\[?[0-9a-fA-F:.]+\]?$/.test(host);
  return /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host);
}

/** Runs of slashes become one, and none is left at the end. */
function canonicalPath(path: string): string {
  const plain = path.replace(/\/+/g, '/');
  return plain.length > 1 ? plain.replace(/\/$/, '') : plain;
}

/**
 * The bricks of create, in canonical form (spec/cli.md, §6.2, step 3).
 *
 * @throws CommandFailure
 */
export function parseBricks(run: CommandRun, words: readonly string[]): string[] {
  const bricks: string[] = [];
  const refuse = (...messages: string[]): CommandFailure => run.usage(...messages);
  for (const word of words) {
    const colon = word.lastIndexOf(':');
    if (colon <= 0 || word[colon + 1] !== '/') throw refuse(`Wrong brick type: ${word}, use <HOSTNAME>:<export-dir-abs-path>`);
    const host = word.slice(0, colon);
    if (host === 'localhost' || host === '127.0.0.1' || host.startsWith('0.')) {
      throw refuse('Please provide a valid hostname/ip other than localhost, 127.0.0.1 or loopback address (0.0.0.0 to 0.255.255.255).');
    }
    if (!isHostName(host)) run.err(`internet address '${host}' does not conform to standards`);
    const brick = `${host}:${canonicalPath(word.slice(colon + 1))}`;
    if (bricks.includes(brick)) throw refuse(`Found duplicate exports ${brick}`);
    bricks.push(brick);
  }
  return bricks;
}
