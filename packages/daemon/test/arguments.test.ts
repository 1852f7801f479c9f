import { readFileSync } from 'node:fs';
import path from 'node:path';
import { LogLevel } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { ArgumentError, defaultLogFile, helpText, logLevelOf, parseArguments, printedAnswer, usageText } from '../src/index.js';

const read = (file: string) => JSON.parse(readFileSync(path.join(import.meta.dirname, 'vectors', file), 'utf8'));
const daemons: readonly { name: string; stdout: string }[] = read('daemons-mount.json');
const values: readonly { argument: string; rc: number | 'taken'; stderr: string }[] = read('argument-values.json');
const parse = (...argv: string[]) => parseArguments('glusterfs', argv);

function failure(...argv: string[]): ArgumentError {
  try {
    parse(...argv);
  } catch (error) {
    if (error instanceof ArgumentError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

/** What GlusterFS 10.3 said to `glusterfs ARGUMENT -N --volfile=/d/nofile.vol`; "taken": it went on to look for the volfile. */
describe('the real glusterfs’s answer to one argument', () => {
  it.each(values)('$argument: $rc', ({ argument, rc, stderr }) => {
    let answer: { rc: number | 'taken'; stderr: string } = { rc: 'taken', stderr: '' };
    try {
      parse(argument, '-N', '--volfile=/d/nofile.vol');
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      answer = { rc: error.status, stderr: `${error.message}\n` };
    }
    expect(answer).toEqual({ rc, stderr });
  });
});

describe('the command line', () => {
  it.each(['glusterfs', 'glusterd'])('%s --usage lists the options as GlusterFS does', (program) => {
    expect(usageText(program)).toBe(daemons.find(({ name }) => name === `${program}-usage`)?.stdout);
  });

  it('keeps a value in one form, for all who read it', () => {
    expect(parse('--use-readdirp=No').boolean('use-readdirp', true)).toBe(false);
    expect(parse('--use-readdirp').boolean('use-readdirp', false)).toBe(true);
    expect(parse('--event-history').boolean('event-history', true)).toBe(false);
    expect(parse('--enable-ino32=no').boolean('enable-ino32', false)).toBe(true);
    expect(parse('--auto-invalidation=please-fail').boolean('auto-invalidation', false)).toBe(false);
    expect(parse().boolean('use-readdirp', true)).toBe(true);
    expect([parse('--lru-limit=010').number('lru-limit'), parse('--gid-timeout= 0x10').number('gid-timeout'), parse('--entry-timeout=1s').number('entry-timeout'), parse('--attribute-timeout=0.5').number('attribute-timeout')]).toEqual([8, 16, 0, 0.5]);
  });

  it('takes long options with = or a blank, abbreviated ones, and short ones joined', () => {
    const args = parse('--volfile-server=a', '--volfile-id', 'v', '--log-l=DEBUG', '-Nl/tmp/x', '/mnt');
    expect([args.get('volfile-server'), args.get('volfile-id'), args.get('log-level'), args.get('log-file'), args.mountpoint]).toEqual(['a', 'v', 'DEBUG', '/tmp/x', '/mnt']);
    expect(args.has('no-daemon')).toBe(true);
    expect(args.commandLine).toBe('glusterfs --volfile-server=a --volfile-id v --log-l=DEBUG -Nl/tmp/x /mnt');
  });

  it('keeps all of an option that may be repeated, and the last of the others', () => {
    const args = parse('-s', 'a', '-s', 'b', '-L', 'INFO', '-L', 'ERROR');
    expect(args.all('volfile-server')).toEqual(['a', 'b']);
    expect(args.get('log-level')).toBe('ERROR');
    expect(args.entries().get('volfile-server')).toBe('b');
  });

  it('lets an optional value stand only after =', () => {
    expect(parse('--direct-io-mode=disable').get('direct-io-mode')).toBe('off');
    const args = parse('--direct-io-mode', '/mnt');
    expect([args.get('direct-io-mode'), args.mountpoint]).toEqual(['on', '/mnt']);
  });

  it('takes everything after -- for what it is', () => {
    expect(parse('-N', '--', '--volfile').mountpoint).toBe('--volfile');
  });

  it.each([
    [['--nonsense'], "unrecognized option '--nonsense'"],
    [['--volfile-server-'], 'is ambiguous'],
    [['--no-daemon=yes'], "doesn't allow an argument"],
    [['--volfile'], "option '--volfile' requires an argument"],
    [['-f'], "requires an argument -- 'f'"],
    [['-X'], "invalid option -- 'X'"],
    [['/a', '/b'], 'Usage: glusterfs [OPTION...]'],
  ] as const)('ends with 64 for %j', (argv, words) => {
    const error = failure(...argv);
    expect(error.message).toContain(words);
    expect(error.status).toBe(64);
  });

  it('ends with 255 for a value that is none', () => {
    expect(() => logLevelOf(parse('--log-level=LOUD'))).toThrow(expect.objectContaining({ status: 255 }));
    expect(() => parse('--brick-port=x').number('brick-port')).toThrow(expect.objectContaining({ status: 255 }));
  });

  it('knows log levels in any case, and --debug', () => {
    expect(logLevelOf(parse())).toBe(LogLevel.INFO);
    expect(logLevelOf(parse('--log-level=trace'))).toBe(LogLevel.TRACE);
    expect(logLevelOf(parse('--debug', '--log-level=ERROR'))).toBe(LogLevel.DEBUG);
  });

  it('names the default log file after the mount point, the volfile, or the server and id', () => {
    expect(defaultLogFile(parse('/mnt/a/b'))).toBe('/var/log/glusterfs/mnt-a-b.log');
    expect(defaultLogFile(parse('-f', '/etc/x.vol'))).toBe('/var/log/glusterfs/etc-x.vol.log');
    expect(path.basename(defaultLogFile(parse('-s', 'h', '--volfile-id', 'v')))).toBe(`h-v-${process.pid}.log`);
  });

  it('prints its version, its places and its help', () => {
    expect(printedAnswer(parse('--version'))).toMatch(/^glusterfs 10\.3\n/);
    expect(printedAnswer(parse('--print-logdir'))).toBe('/var/log/glusterfs\n');
    expect(printedAnswer(parse('--print-statedumpdir'))).toBe('/var/run/gluster\n');
    expect(printedAnswer(parse('--help'))).toBe(helpText('glusterfs'));
    expect(printedAnswer(parse('-N'))).toBeUndefined();
  });
});
