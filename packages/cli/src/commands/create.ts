import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { GlusterCli } from '@glusterts/rpc-xdr';
import { parseBricks } from '../brick-words.js';
import { uniquePrefix } from '../command-tree.js';
import { type Command, CommandFailure, type CommandRun, dictOf } from '../session.js';
import { leaf } from '../xml.js';

const RESERVED = [
  'volume', 'type', 'help', 'subvolumes', 'option', 'end-volume', 'all', 'volume_not_in_ring', 'description', 'force', 'snap-max-hard-limit', 'snap-max-soft-limit', 'auto-delete', 'activate-on-create',
];
const NAME_MAX = 256;
const CLAUSES = ['replica', 'transport', 'disperse', 'disperse-data', 'redundancy', 'arbiter', 'thin-arbiter'] as const;
const CLAUSES_MAX = 3;

interface Layout {
  replica?: number;
  arbiter?: boolean;
  thinArbiter?: boolean;
  transport?: string;
  disperse?: number;
  disperseData?: number;
  redundancy?: number;
}

/** `volume create` (spec/cli.md, §6.2). */
export const createVolume: Command = async (run) => {
  const [name, ...rest] = run.words.slice(2);
  if (name === undefined) throw run.usage();
  checkName(run, name);
  const { layout, next } = parseClauses(run, rest);
  let words = rest.slice(next);
  const force = words.at(-1) === 'force';
  if (force) words = words.slice(0, -1);
  if (layout.replica === 2 && !layout.thinArbiter && !force && !(await askReplica2(run))) throw run.usage();
  if (words.length === 0) throw rest.length === 0 ? run.usage() : run.usage('No bricks specified');
  const bricks = parseBricks(run, words);
  const thinArbiter = layout.thinArbiter ? bricks.pop() : undefined;
  const disperse = isDisperse(layout) ? await settleDisperse(run, layout, bricks.length) : undefined;
  const request = buildRequest(name, layout, disperse, bricks, thinArbiter, force || run.options.wignore);
  const all = thinArbiter === undefined ? bricks : [...bricks, thinArbiter];
  run.commandText = [...run.words.slice(0, 3), ...rest.slice(0, next), ...all, ...(force ? ['force'] : [])].join(' ');
  await send(run, name, request);
};

function checkName(run: CommandRun, name: string): void {
  if (name.startsWith('-') || name.includes('/')) throw run.usage();
  if (RESERVED.includes(name)) throw run.usage(`"${name}" cannot be the name of a volume.`);
  if (name.length > NAME_MAX) throw run.usage('Volume name exceeds 256 characters.');
  const wrong = /[^A-Za-z0-9_-]/.exec(name)?.[0];
  if (wrong !== undefined) throw run.usage(`Volume name should not contain "${wrong}" character.`, "Volume names can onlycontain alphanumeric, '-' and '_' characters.");
}

/** C's strtol, base 0. */
function toInteger(word: string | undefined): number | undefined {
  if (word === undefined || !/^[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)$/.test(word)) return undefined;
  return /^[+-]?0[0-7]+$/.test(word) ? Number.parseInt(word, 8) : Number(word);
}

const isDisperse = (layout: Layout): boolean => layout.disperse !== undefined || layout.disperseData !== undefined || layout.redundancy !== undefined;

function parseClauses(run: CommandRun, words: readonly string[]): { layout: Layout; next: number } {
  const layout: Layout = {};
  let next = 0;
  for (let clause = 0; clause < CLAUSES_MAX && next < words.length; clause++) {
    const word = words[next] ?? '';
    const name = uniquePrefix(word, CLAUSES);
    if (name === undefined || word.includes(':')) break;
    if (name === 'arbiter' || name === 'thin-arbiter') throw run.usage(`${name} option must be preceded by replica option.`);
    if (name === 'replica') next = parseReplica(run, layout, words, next);
    else if (name === 'transport') next = parseTransport(run, layout, words, next);
    else next = parseDisperse(run, layout, name, words, next);
  }
  return { layout, next };
}

function parseReplica(run: CommandRun, layout: Layout, words: readonly string[], at: number): number {
  if (layout.replica !== undefined) throw run.usage('replica option given twice');
  if (isDisperse(layout)) throw run.usage('replicated-dispersed volume is not supported');
  const count = toInteger(words[at + 1]);
  if (count === undefined) throw run.usage();
  if (count < 2) throw run.usage('replica count should be greater than 1');
  layout.replica = count;
  const kind = words[at + 2];
  if (kind === 'arbiter') {
    if (toInteger(words[at + 3]) !== 1 || (count !== 2 && count !== 3)) {
      throw run.usage('For arbiter configuration, replica count must be 2 and arbiter count must be 1. The 3rd brick of the replica will be the arbiter');
    }
    layout.arbiter = true;
    layout.replica = 3;
    return at + 4;
  }
  if (kind === 'thin-arbiter') {
    if (toInteger(words[at + 3]) !== 1 || count !== 2) {
      throw run.usage('For thin-arbiter configuration, replica count must be 2 and thin-arbiter count must be 1. The 3rd brick of the replica will be the thin-arbiter brick');
    }
    layout.thinArbiter = true;
    return at + 4;
  }
  return at + 2;
}

function parseTransport(run: CommandRun, layout: Layout, words: readonly string[], at: number): number {
  if (layout.transport !== undefined) throw run.usage("'transport' option given more than one time");
  const transport = words[at + 1]?.toLowerCase();
  if (transport === undefined || !['tcp', 'rdma', 'tcp,rdma', 'rdma,tcp'].includes(transport)) throw run.usage();
  layout.transport = transport;
  return at + 2;
}

function parseDisperse(run: CommandRun, layout: Layout, name: 'disperse' | 'disperse-data' | 'redundancy', words: readonly string[], at: number): number {
  if (layout.replica !== undefined) throw run.usage('replicated-dispersed volume is not supported');
  const field = name === 'disperse-data' ? 'disperseData' : name;
  if (layout[field] !== undefined) throw run.usage(`${name} option given twice`);
  const count = toInteger(words[at + 1]);
  if (name === 'disperse' && count === undefined) {
    layout.disperse = 0;
    return at + 1;
  }
  if (count === undefined) throw run.usage();
  if (name === 'disperse' && count < 3) throw run.usage('disperse count must be greater than 2', 'disperse option given twice');
  if (name === 'disperse-data' && count < 2) throw run.usage('disperse-data must be greater than 1');
  if (name === 'redundancy' && count < 1) throw run.usage('redundancy must be greater than 0');
  layout[field] = count;
  return at + 2;
}

function askReplica2(run: CommandRun): Promise<boolean> {
  return run.confirm(
    'Replica 2 volumes are prone to split-brain. Use Arbiter or Replica 3 to avoid this. See: http://docs.gluster.org/en/latest/Administrator-Guide/Split-brain-and-ways-to-deal-with-it/.\n' +
      'Do you still want to continue?\n',
  );
}

interface Disperse {
  readonly count: number;
  readonly redundancy: number;
}

/** Works the three counts out, asking where a choice isn't the best (spec/cli.md, §6.2, steps 4 and 5). */
async function settleDisperse(run: CommandRun, layout: Layout, bricks: number): Promise<Disperse> {
  let count = layout.disperse ?? 0;
  let redundancy = layout.redundancy ?? 0;
  const data = layout.disperseData;
  const askOr = async (question: string): Promise<void> => {
    if (!(await run.confirm(question))) throw run.usage();
  };
  if (data !== undefined) {
    if (count > 0 && redundancy > 0) {
      if (count !== data + redundancy) throw run.usage(`Disperse count(${count}) should be equal to sum of disperse-data count(${data}) and redundancy count(${redundancy})`);
    } else if (redundancy > 0) count = data + redundancy;
    else if (count > 0) redundancy = count - data;
    else {
      if (bricks - data >= data) throw run.usage('Please provide redundancy count along with disperse-data count');
      redundancy = bricks - data;
      count = bricks;
      await askOr(`Redundancy for this configuration is ${redundancy}. Do you want to create the volume with this value ?`);
    }
  }
  if (count === 0) {
    if (bricks < 3) throw run.usage('number of bricks must be greater than 2');
    count = bricks;
  }
  if (redundancy === 0 && data === undefined) redundancy = await optimalRedundancy(count, askOr);
  const most = Math.floor((count - 1) / 2);
  if (redundancy < 1 || redundancy > most) {
    throw run.usage(`redundancy must be greater than or equal to 1 and less than ${Math.floor((count + 1) / 2)} for a disperse ${count} volume`);
  }
  const fragments = count - redundancy;
  if (layout.redundancy !== undefined && (fragments & (fragments - 1)) !== 0) await askOr('This configuration is not optimal on most workloads. Do you want to use it ?');
  if (bricks % count !== 0) throw run.usage('number of bricks is not a multiple of disperse count');
  return { count, redundancy };
}

async function optimalRedundancy(count: number, askOr: (question: string) => Promise<void>): Promise<number> {
  for (let fragments = count - 1; count - fragments <= Math.floor((count - 1) / 2); fragments--) {
    if ((fragments & (fragments - 1)) !== 0) continue;
    const redundancy = count - fragments;
    if (redundancy > 1) await askOr(`The optimal redundancy for this configuration is ${redundancy}. Do you want to create the volume with this value ?`);
    return redundancy;
  }
  await askOr("There isn't an optimal redundancy value for this configuration. Do you want to create the volume with redundancy 1 ?");
  return 1;
}

/** The list of bricks is separated by blanks: one within a path gets a backslash, which our glusterd takes away. */
function escapeBlanks(brick: string): string {
  return brick.replaceAll(' ', '\\ ');
}

function buildRequest(name: string, layout: Layout, disperse: Disperse | undefined, bricks: readonly string[], thinArbiter: string | undefined, force: boolean): Dict {
  const request = new Dict();
  if (layout.arbiter) request.setInt('arbiter-count', 1);
  if (layout.thinArbiter) request.setInt('thin-arbiter-count', 1);
  if (layout.replica !== undefined) request.setInt('replica-count', layout.replica);
  if (disperse) request.setInt('disperse-count', disperse.count).setInt('redundancy-count', disperse.redundancy);
  request.setStr('volname', name as Bytes).setInt('type', layout.replica !== undefined ? 2 : disperse ? 4 : 0);
  request.setStr('transport', (layout.transport ?? 'tcp') as Bytes).setStr('bricks', ` ${bricks.map(escapeBlanks).join(' ')} ` as Bytes);
  if (thinArbiter !== undefined) request.setStr('ta-brick', ` ${thinArbiter} ` as Bytes);
  return request.setInt('count', bricks.length).setInt('force', force ? 1 : 0);
}

async function send(run: CommandRun, name: string, request: Dict): Promise<void> {
  const reply = await run.request(GlusterCli.CREATE_VOLUME, request);
  if (run.options.xml) {
    const dict = dictOf(reply);
    const children = [leaf('name', dict.getStr('volname')), leaf('id', dict.getStr('volume-id'))];
    return run.xml(reply, reply.op_ret === 0 ? [{ name: 'volCreate', children: [{ name: 'volume', children }] }] : []);
  }
  if (reply.op_ret === 0) return run.out(`volume create: ${name}: success: please start the volume to access data`);
  run.err(`volume create: ${name}: failed${reply.op_errstr === '' ? '' : `: ${reply.op_errstr}`}`);
  throw new CommandFailure(1);
}
