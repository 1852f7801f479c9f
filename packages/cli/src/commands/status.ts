import { type Bytes, Dict } from '@glusterts/libglusterfs';
import { type GfCliRsp, GlusterCli } from '@glusterts/rpc-xdr';
import { uniquePrefix } from '../command-tree.js';
import { type Command, CommandFailure, type CommandRun, dictOf } from '../session.js';
import { leaf, type XmlElement } from '../xml.js';
import { printStatusDetail, statusDetailXml } from './status-details.js';

const DETAILS = { detail: 0x20, mem: 1, clients: 2, fd: 8, inode: 4, callpool: 0x10, tasks: 0x40, 'client-list': 0x80 } as const;
const DAEMONS: Readonly<Record<string, number>> = { nfs: 0x800, shd: 0x1000, quotad: 0x2000, snapd: 0x4000, bitd: 0x8000, scrub: 0x10000 };
const [VOLUME, ALL, BRICK, TASKS] = [0x100, 0x200, 0x400, 0x40];
const DAEMON_NAMES = ['Self-heal Daemon', 'NFS Server', 'Quota Daemon', 'Snapshot Daemon', 'Bitrot Daemon', 'Scrubber Daemon'];
const NAME_WIDTH = 44;
const RULE = '-'.repeat(78);

interface Request {
  readonly cmd: number;
  readonly volume?: string;
  readonly brick?: string;
}

/** `volume status` (spec/cli.md, §6.5). */
export const volumeStatus: Command = async (run) => {
  const request = parse(run, run.words.slice(2));
  if (request.cmd & ALL) return statusAll(run, request);
  const reply = await ask(run, request);
  if (run.options.xml) {
    if (reply.op_ret !== 0) return run.xml(reply, [leaf('cliOp', 'volStatus'), leaf('output', refusal(reply))]);
    return run.xml(reply, statusXml([reply], request.cmd));
  }
  if (reply.op_ret !== 0) throw run.fail(refusal(reply));
  print(run, dictOf(reply), request.cmd);
};

const refusal = (reply: GfCliRsp): string => (reply.op_errstr === '' ? 'Unable to obtain volume status information.' : reply.op_errstr);

function parse(run: CommandRun, words: readonly string[]): Request {
  const [first, second, third, ...more] = words;
  if (more.length > 0) throw run.usage();
  if (first === undefined) return { cmd: ALL };
  const detail = (word: string): number => {
    const name = uniquePrefix(word, Object.keys(DETAILS) as (keyof typeof DETAILS)[]);
    if (name === undefined) throw run.usage(`${word} is not a valid status option`);
    return DETAILS[name];
  };
  if (first === 'all') {
    if (second === undefined) return { cmd: ALL };
    if (third !== undefined) throw run.usage('Cannot specify brick/nfs for "all"');
    return { cmd: ALL | detail(second) };
  }
  if (second === undefined) return { cmd: VOLUME, volume: first };
  const daemon = Object.hasOwn(DAEMONS, second) ? DAEMONS[second] : undefined;
  if (third === undefined) {
    if (daemon !== undefined) return { cmd: daemon, volume: first };
    const name = uniquePrefix(second, Object.keys(DETAILS) as (keyof typeof DETAILS)[]);
    if (name !== undefined) return { cmd: VOLUME | DETAILS[name], volume: first };
    if (!second.includes(':')) throw run.usage(`${second} is not a valid status option`);
    return { cmd: BRICK, volume: first, brick: second };
  }
  const bits = detail(third);
  refuseCombination(run, second, bits);
  if (daemon !== undefined) return { cmd: daemon | bits, volume: first };
  return { cmd: BRICK | bits, volume: first, brick: second };
}

function refuseCombination(run: CommandRun, target: string, bits: number): void {
  const has = (...names: (keyof typeof DETAILS)[]): boolean => names.some((name) => bits === DETAILS[name]);
  if (target === 'nfs' && has('fd', 'detail', 'tasks')) throw run.usage('Detail/FD/Tasks status not available for NFS Servers');
  if (target === 'shd' && has('fd', 'clients', 'detail', 'tasks')) throw run.usage('Detail/FD/Clients/Tasks status not available for Self-heal Daemons');
  if (target === 'quotad' && has('fd', 'clients', 'detail', 'inode')) throw run.usage('Detail/FD/Clients/Inode status not available for Quota Daemon');
  if (target === 'snapd' && has('fd', 'clients', 'detail', 'inode')) throw run.usage('Detail/FD/Clients/Inode status not available for snap daemon');
  if (target.includes(':') && has('tasks')) throw run.usage('Tasks status not available for bricks');
}

function ask(run: CommandRun, request: Request): Promise<GfCliRsp> {
  const dict = new Dict();
  if (request.volume !== undefined) dict.setStr('volname', request.volume as Bytes);
  if (request.brick !== undefined) dict.setStr('brick', request.brick as Bytes);
  return run.request(GlusterCli.STATUS_VOLUME, dict.setInt('cmd', request.cmd));
}

async function statusAll(run: CommandRun, request: Request): Promise<void> {
  const reply = await ask(run, request);
  if (reply.op_ret !== 0) throw run.fail(refusal(reply));
  const dict = dictOf(reply);
  if (dict.getNumber('cmd') === undefined) throw new CommandFailure(2);
  const names = Array.from({ length: dict.getNumber('vol_count') ?? 0 }, (_, at) => dict.getStr(`vol${at}`) ?? '');
  if (names.length === 0 && !run.options.xml) return run.err('No volumes present');
  const cmd = request.cmd - ALL + VOLUME;
  const shown: GfCliRsp[] = [];
  for (const volume of names) {
    const one = await ask(run, { cmd, volume });
    if (run.options.xml) {
      if (one.op_ret === 0) shown.push(one);
    } else if (one.op_ret !== 0) {
      run.err(refusal(one));
      run.out(' ');
    } else print(run, dictOf(one), cmd);
  }
  if (run.options.xml) run.xml({ op_ret: 0, op_errno: 0, op_errstr: '' as Bytes }, statusXml(shown, cmd));
}

/** One process: a brick, or a daemon on a node. */
interface Entry {
  readonly key: string;
  readonly hostname: string;
  readonly path: string;
  readonly online: boolean;
  readonly port: number;
  readonly rdmaPort: number;
  readonly pid: number;
}

function entriesOf(dict: Dict): Entry[] {
  const entries: Entry[] = [];
  const last = (dict.getNumber('brick-index-max') ?? -1) + (dict.getNumber('other-count') ?? 0);
  for (let at = 0; at <= last; at++) {
    const key = `brick${at}`;
    const hostname = dict.getStr(`${key}.hostname`);
    const path = dict.getStr(`${key}.path`);
    if (hostname === undefined || path === undefined) continue;
    const number = (name: string): number => dict.getNumber(`${key}.${name}`) ?? 0;
    entries.push({ key, hostname, path, online: number('status') === 1, port: number('port'), rdmaPort: number('rdma_port'), pid: number('pid') });
  }
  return entries;
}

const isDaemon = (entry: Entry): boolean => DAEMON_NAMES.includes(entry.hostname);
const nameOf = (entry: Entry): string => (isDaemon(entry) ? `${entry.hostname} on ${entry.path}` : `Brick ${entry.hostname}:${entry.path}`);

function print(run: CommandRun, dict: Dict, cmd: number): void {
  const name = dict.getStr('volname') ?? '';
  if (cmd & TASKS) return printTasks(run, name, dict);
  const entries = entriesOf(dict);
  const details = entries.map((entry) => ({ key: entry.key, online: entry.online, title: isDaemon(entry) ? `${entry.hostname} : ${entry.path}` : `Brick : ${entry.hostname}:${entry.path}` }));
  if (printStatusDetail((line) => run.out(line), name, dict, cmd, details)) return;
  run.out(`Status of volume: ${name}`);
  if (cmd & DETAILS.detail) {
    for (const entry of entries) printDetail(run, dict, entry);
    run.out(' ');
    return;
  }
  run.out(`${'Gluster process'.padEnd(NAME_WIDTH)}${'TCP Port'.padEnd(10)}${'RDMA Port'.padEnd(11)}${'Online'.padEnd(8)}Pid`);
  run.out(RULE);
  for (const entry of entries) printEntry(run, entry);
  run.out(' ');
  if ((cmd & 0xff) === 0 && cmd & VOLUME) printTasks(run, name, dict);
}

function printEntry(run: CommandRun, entry: Entry): void {
  let name = nameOf(entry);
  while (name.length >= NAME_WIDTH) {
    run.out(name.slice(0, NAME_WIDTH - 1));
    name = name.slice(NAME_WIDTH - 1);
  }
  const hasPort = entry.online && (entry.port !== 0 || entry.rdmaPort !== 0);
  const ports = hasPort ? [String(entry.port), String(entry.rdmaPort)] : ['N/A', 'N/A'];
  const pid = entry.online && entry.pid !== -1 ? String(entry.pid) : 'N/A';
  run.out(`${name.padEnd(NAME_WIDTH)}${(ports[0] ?? '').padEnd(10)}${(ports[1] ?? '').padEnd(11)}${(entry.online ? 'Y' : 'N').padEnd(8)}${pid.padEnd(5)}`);
}

/** Names of the states of tasks, by number. */
const TASK_STATES = [
  'not started', 'in progress', 'stopped', 'completed', 'failed', 'fix-layout in progress', 'fix-layout stopped', 'fix-layout completed', 'fix-layout failed', 'reset due to replace-brick', 'reset due to reset-brick',
];

interface Task {
  readonly type: string;
  readonly id: string;
  readonly status: number;
  readonly state: string;
  readonly bricks: readonly string[];
}

function tasksOf(dict: Dict): Task[] {
  return Array.from({ length: dict.getNumber('tasks') ?? 0 }, (_, at) => {
    const key = `task${at}`;
    const status = dict.getNumber(`${key}.status`) ?? 0;
    const bricks = Array.from({ length: dict.getNumber(`${key}.count`) ?? 0 }, (__, brick) => dict.getStr(`${key}.brick${brick + 1}`) ?? '');
    return { type: dict.getStr(`${key}.type`) ?? '', id: dict.getStr(`${key}.id`) ?? '', status, state: TASK_STATES[status] ?? 'unknown', bricks };
  });
}

function printTasks(run: CommandRun, name: string, dict: Dict): void {
  run.out(`Task Status of Volume ${name}`);
  run.out(RULE);
  const tasks = tasksOf(dict);
  const line = (title: string, value: string): void => run.out(`${title.padEnd(20)} : ${value.padEnd(20)}`);
  if (tasks.length === 0) {
    run.out('There are no active volume tasks');
    run.out(' ');
  }
  for (const task of tasks) {
    line('Task', task.type);
    line('ID', task.id);
    if (task.bricks.length > 0) {
      run.out('Removed bricks:'.padEnd(20));
      for (const brick of task.bricks) run.out(brick.padEnd(20));
    }
    line('Status', task.state);
    run.out(' ');
  }
}

function tasksXml(dict: Dict): XmlElement {
  const children = tasksOf(dict).map((task): XmlElement => ({
    name: 'task',
    children: [
      leaf('type', task.type), leaf('id', task.id), leaf('status', task.status), leaf('statusStr', task.state),
      ...(task.bricks.length > 0 ? [{ name: 'params', children: task.bricks.map((brick) => leaf('brick', brick)) }] : []),
    ],
  }));
  return { name: 'tasks', children };
}

/** `%.1f` and the largest unit that fits (spec/cli.md, §6.5). */
export function humanSize(bytes: number): string {
  const units = ['KB', 'MB', 'GB', 'TB', 'PB'];
  for (let at = units.length; at > 0; at--) {
    const unit = 1024 ** at;
    if (bytes >= unit) return `${(bytes / unit).toFixed(1)}${units[at - 1]}`;
  }
  return `${bytes}Bytes`;
}

function printDetail(run: CommandRun, dict: Dict, entry: Entry): void {
  const text = (name: string): string => dict.getStr(`${entry.key}.${name}`) ?? 'N/A';
  const size = (name: string): string => {
    const value = dict.getNumber(`${entry.key}.${name}`);
    return value === undefined ? 'N/A' : humanSize(value);
  };
  const port = (value: number): string => (entry.online && (entry.port !== 0 || entry.rdmaPort !== 0) ? String(value) : 'N/A');
  const lines: [string, string][] = [
    ['Brick', nameOf(entry)], ['TCP Port', port(entry.port)], ['RDMA Port', port(entry.rdmaPort)], ['Online', entry.online ? 'Y' : 'N'],
    ['Pid', entry.online && entry.pid !== -1 ? String(entry.pid) : 'N/A'], ['File System', text('fs_name')], ['Device', text('device')], ['Mount Options', text('mnt_options')],
    ['Inode Size', text('inode_size')], ['Disk Space Free', size('free')], ['Total Disk Space', size('total')], ['Inode Count', text('total_inodes')], ['Free Inodes', text('free_inodes')],
  ];
  run.out(RULE);
  for (const [name, value] of lines) run.out(`${name.padEnd(20)} : ${value.padEnd(20)}`);
}

function statusXml(replies: readonly GfCliRsp[], cmd: number): XmlElement[] {
  const volumes = replies.map((reply): XmlElement => {
    const dict = dictOf(reply);
    const tasks = tasksXml(dict);
    if (cmd & TASKS) return { name: 'volume', children: [leaf('volName', dict.getStr('volname')), tasks] };
    const nodes: XmlElement[] = [];
    for (const entry of entriesOf(dict)) {
      const node = nodeXml(dict, entry, cmd);
      const detail = entry.online ? statusDetailXml(dict, entry.key, cmd) : undefined;
      nodes.push(detail ? { ...node, children: [...(node.children ?? []), detail.element] } : node);
      if (detail?.complete === false) break;
    }
    const withTasks = (cmd & 0xff) === 0 && cmd & VOLUME ? [tasks] : [];
    return { name: 'volume', children: [leaf('volName', dict.getStr('volname')), leaf('nodeCount', dict.getNumber('count')), ...nodes, ...withTasks] };
  });
  return [{ name: 'volStatus', children: [{ name: 'volumes', children: volumes }] }];
}

function nodeXml(dict: Dict, entry: Entry, cmd: number): XmlElement {
  const port = (value: number): string => (entry.online && value !== 0 ? String(value) : 'N/A');
  const children = [
    leaf('hostname', entry.hostname), leaf('path', entry.path), leaf('peerid', dict.getStr(`${entry.key}.peerid`)), leaf('status', entry.online ? 1 : 0), leaf('port', port(entry.port)),
    { name: 'ports', children: [leaf('tcp', port(entry.port)), leaf('rdma', port(entry.rdmaPort))] }, leaf('pid', entry.online ? entry.pid : -1),
  ];
  if (cmd & DETAILS.detail) {
    const details = {
      sizeTotal: 'total', sizeFree: 'free', device: 'device', blockSize: 'block_size', mntOptions: 'mnt_options', fsName: 'fs_name', inodeSize: 'inode_size', inodesTotal: 'total_inodes', inodesFree: 'free_inodes',
    };
    for (const [name, key] of Object.entries(details)) {
      const value = dict.getStr(`${entry.key}.${key}`);
      if (value !== undefined) children.push(leaf(name, value));
    }
  }
  return { name: 'node', children };
}
