import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Errno, FopError, GlusterLogger, Graph, type OptionSpec, VolfileError, Xlator, XlatorLoader, createPlatform, parseVolfile } from '../src/index.js';

const platform = createPlatform();

/** One input given to the real glusterfs 10.3, and what it did (vectors/client/volfile-grammar-errors.txt). */
interface Case {
  readonly name: string;
  readonly text: string;
  readonly mounted: boolean;
  /** Its messages of level E, as `id text`. */
  readonly errors: readonly string[];
}

function readCases(): Case[] {
  const file = readFileSync(new URL('vectors/client/volfile-grammar-errors.txt', import.meta.url), 'latin1');
  return file.split(/^### /m).slice(1).map((block) => {
    const [head = '', ...lines] = block.split('\n');
    const match = /^(\w+): result=(\w+)/.exec(head);
    const end = lines.indexOf('--- log (E and W lines)');
    const errors = lines.slice(end + 1).flatMap((line) => {
      const parts = /^E \[MSGID: (\d+)\] \[[^\]]+\] \S+: (.*?) ?$/.exec(line);
      return parts ? [`${parts[1]} ${parts[2]}`] : [];
    });
    return { name: match?.[1] ?? '', mounted: match?.[2] === 'mounted', text: lines.slice(0, end).map((line) => `${line.slice(4)}\n`).join(''), errors };
  });
}

const cases = readCases();

/** Runs of backticks are refused by decision, whatever the real one does with them. */
const BACKTICKS: ReadonlySet<string> = new Set(['backtick', 'backtickfail', 'unterminatedtick']);

/** Like the real ones, a performance xlator is not initialised without exactly one child. */
class Plain extends Xlator {
  override init(): void {
    if (this.type.startsWith('performance/') && this.children.length !== 1) throw new FopError(Errno.EINVAL);
  }
}

/** What the vectors' volfiles name, with the two options that they give wrong values to. */
const WRITE_BEHIND: readonly OptionSpec[] = [
  { key: 'cache-size', type: 'size', default: '1MB', min: 512 * 1024, max: 2 ** 30 },
  { key: 'flush-behind', type: 'bool', default: 'on' },
];
const loader = new XlatorLoader().add(
  ...['storage/posix', 'performance/write-behind', 'performance/io-threads'].map((type) => ({
    type,
    options: type === 'performance/write-behind' ? WRITE_BEHIND : [{ key: 'directory', type: 'path' as const }],
    create: (context: ConstructorParameters<typeof Xlator>[0]) => new Plain(context),
  })),
);

async function refusal(text: string): Promise<{ error: unknown; lines: string }> {
  const lines: string[] = [];
  const log = GlusterLogger.create('test', { sink: (line) => lines.push(line), clock: platform.clock });
  try {
    const graph = await Graph.load(text, { platform, loader, log });
    await graph.activate();
    await graph.fini();
    return { error: undefined, lines: lines.join('') };
  } catch (error) {
    return { error, lines: lines.join('') };
  }
}

describe('the volfile grammar, beside the real 10.3', () => {
  it('has all 31 inputs', () => {
    expect(cases).toHaveLength(31);
  });

  it.each(cases.filter(({ name, mounted }) => mounted && !BACKTICKS.has(name)))('$name: is taken, as the real one takes it', async ({ text }) => {
    expect((await refusal(text)).error).toBeUndefined();
  });

  it.each(cases.filter(({ name, mounted }) => !mounted && !BACKTICKS.has(name)))('$name: is refused in the words of the real one', async ({ text, errors }) => {
    const { error, lines } = await refusal(text);
    expect(error).toBeInstanceOf(Error);
    // The first says why; those after it are consequences.
    const [first = ''] = errors;
    const words = first.replace(/^\d+ /, '').replace(/^(?:out of range|Invalid arguments) \[\{error=(.*)\}\]$/, '$1');
    expect(`${error instanceof Error ? error.message : ''}\n${lines}`).toContain(words);
    if (error instanceof VolfileError) expect(`${error.msgid} ${error.glusterMessage}`).toBe(first);
  });

  it.each(cases.filter(({ name }) => BACKTICKS.has(name)))('$name: is refused without running anything', ({ text }) => {
    expect(() => parseVolfile(text, 'x.vol')).toThrow(/^x\.vol:3:19: parsing of backticks failed \(expected .*not run\)$/);
  });
});

describe('parseVolfile', () => {
  const options = (name: string): ReadonlyMap<string, string> | undefined => parseVolfile(cases.find((one) => one.name === name)?.text ?? '').volumes[0]?.options;

  it('drops a newline inside quotes, and a backslash before any other character', () => {
    expect(options('newlineinstring')?.get('directory')).toBe('/d/x');
    expect(options('escape')?.get('directory')).toBe('/d/x');
  });

  it('lets the later of two equal keys count, and says so', () => {
    expect(options('dupopt')?.get('directory')).toBe('/d/x');
    expect(parseVolfile(cases.find(({ name }) => name === 'dupopt')?.text ?? '').warnings).toHaveLength(1);
  });

  it('keeps the order of volumes, subvolumes and bytes above 0x7f', () => {
    const { volumes } = parseVolfile('volume \xe9 type a/b option k \xff end-volume volume z type c/d subvolumes \xe9 \xe9 end-volume');
    expect(volumes.map(({ name }) => name)).toEqual(['\xe9', 'z']);
    expect(volumes[0]?.options.get('k')).toBe('\xff');
    expect(volumes[1]?.subvolumes.map(({ name }) => name)).toEqual(['\xe9', '\xe9']);
  });

  it('names file, line, column and what was expected', () => {
    expect(() => parseVolfile('volume p\n  type\n', 'v.vol')).toThrow(/^v\.vol:3:1: .* \(expected the type, as category\/name\)$/);
    expect(() => parseVolfile('volume p\n type a/b\nend-volume\n', 'v.vol')).toThrow(/^v\.vol:3:1: .* \(expected an option or subvolumes\)$/);
  });
});
