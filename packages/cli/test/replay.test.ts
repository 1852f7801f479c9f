import { describe, expect, test } from 'vitest';
import { parseArguments } from '../src/arguments.js';
import { runCommand, USAGE } from '../src/cli.js';
import { helpClasses } from '../src/commands/help.js';
import type { CliIo } from '../src/session.js';
import { files, recordings, Replay, type Vector } from './recorded.js';

async function replay(vector: Vector): Promise<void> {
  let out = '';
  let err = '';
  let input = vector.stdin ?? '';
  const groups: Record<string, string> = { mygroup: '# a group\nfeatures.cache-invalidation=on\nfeatures.cache-invalidation-timeout=600\nperformance.stat-prefetch=on\n', emptygroup: '', badgroup: 'nonsense\n' };
  const io: CliIo = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    readAnswer: () => {
      const at = input.indexOf('\n');
      if (input === '') return Promise.resolve(undefined);
      const line = at < 0 ? input : input.slice(0, at + 1);
      input = input.slice(line.length);
      return Promise.resolve(line.slice(0, 3));
    },
    readFile: (path) => {
      const text = groups[path.slice(path.lastIndexOf('/') + 1)];
      return text === undefined ? { error: 'No such file or directory' } : { text };
    },
  };
  const channel = new Replay(vector.rpc ?? []);
  const args = parseArguments(vector.argv.slice(1), USAGE);
  let status = 0;
  if (args === 'help') out = helpClasses();
  else if (args === 'print-logdir') out = '/var/log/glusterfs\n';
  else if (args === 'print-statedumpdir') out = '/var/run/gluster\n';
  else if (typeof args === 'string') throw new Error(args);
  else if ('status' in args) ({ out, err, status } = args);
  else {
    for (const warning of args.warnings) err += `${warning}\n`;
    status = await runCommand(io, channel, args, args.words);
  }
  expect({ out, err, status }).toEqual({ out: vector.stdout, err: vector.stderr, status: vector.rc });
  expect(channel.left, 'calls that were not made').toBe(0);
}

/** Without words the commands come from stdin, and --version has our own banner: see process.test.ts. */
const hasWords = ({ argv }: Vector): boolean => argv.some((word, at) => at > 0 && (!word.startsWith('--') || /^--(help|print)/.test(word)) || /^--(nope|mode|timeout|log-level)/.test(word));

for (const file of files) {
  describe(`${file}: words, calls, output and exit status of the real CLI`, () => {
    test.each(recordings(file).filter(hasWords))('$name: $argv', (vector) => replay(vector));
  });
}
