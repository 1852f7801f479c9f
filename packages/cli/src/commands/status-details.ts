import type { Dict } from '@glusterts/libglusterfs';
import { leaf, type XmlElement } from '../xml.js';

/** Bits of the request that ask for what one process holds (spec/cli.md, §6.5). */
export const Detail = { mem: 1, clients: 2, inode: 4, fd: 8, callpool: 0x10, 'client-list': 0x80 } as const;
const RULE = '-'.repeat(46);
const MALLINFO = ['arena', 'ordblks', 'smblks', 'hblks', 'hblkhd', 'usmblks', 'fsmblks', 'uordblks', 'fordblks', 'keepcost'] as const;
const CLIENT_KINDS = ['fuse', 'gfapi', 'rebalance', 'glustershd', 'quotad', 'snapd'];

/** One process, as its lines begin and its keys do. */
export interface DetailEntry {
  readonly key: string;
  /** `Brick : HOST:PATH`, or a daemon and its node. */
  readonly title: string;
  readonly online: boolean;
}

type Print = (line: string) => void;

/** Prints `status V mem|clients|inode|fd|callpool|client-list`; false when `cmd` asks for none of them. */
export function printStatusDetail(out: Print, volume: string, dict: Dict, cmd: number, entries: readonly DetailEntry[]): boolean {
  if (cmd & Detail['client-list']) printClientList(out, volume, dict);
  else if (cmd & Detail.mem) printEach(out, `Memory status for volume : ${volume}`, dict, entries, printMemory, ['']);
  else if (cmd & Detail.clients) printEach(out, `Client connections for volume ${volume}`, dict, entries, printClients, ['']);
  else if (cmd & Detail.inode) printEach(out, `Inode tables for volume ${volume}`, dict, entries, printInodeTables, []);
  else if (cmd & Detail.fd) printEach(out, `FD tables for volume ${volume}`, dict, entries, () => undefined, []);
  else if (cmd & Detail.callpool) printEach(out, `Pending calls for volume ${volume}`, dict, entries, printCallPool, []);
  else return false;
  return true;
}

function printEach(out: Print, title: string, dict: Dict, entries: readonly DetailEntry[], print: (out: Print, dict: Dict, key: string) => void, end: readonly string[]): void {
  out(title);
  for (const entry of entries) {
    out(RULE);
    out(entry.title);
    if (entry.online) print(out, dict, entry.key);
    else out('Brick is offline');
  }
  for (const line of [RULE, ...end]) out(line);
}

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
const numbers = (dict: Dict, key: string, names: readonly string[]): [string, number][] => names.flatMap((name): [string, number][] => {
  const value = dict.getNumber(`${key}.${name}`);
  return value === undefined ? [] : [[name, value]];
});

function printMemory(out: Print, dict: Dict, key: string): void {
  out('Mallinfo');
  out('--------');
  for (const [name, value] of numbers(dict, `${key}.mallinfo`, MALLINFO)) out(`${capital(name).padEnd(9)}: ${value}`);
  out(' ');
}

interface Client {
  readonly hostname: string;
  readonly bytesRead: number;
  readonly bytesWrite: number;
  readonly opVersion: number;
}

function clientsOf(dict: Dict, key: string): Client[] {
  const count = dict.getNumber(`${key}.clientcount`) ?? 0;
  return Array.from({ length: count }, (_, at) => {
    const client = `${key}.client${at}`;
    return {
      hostname: dict.getStr(`${client}.hostname`) ?? '',
      bytesRead: dict.getNumber(`${client}.bytesread`) ?? 0,
      bytesWrite: dict.getNumber(`${client}.byteswrite`) ?? 0,
      opVersion: dict.getNumber(`${client}.opversion`) ?? 0,
    };
  });
}

function clientRow(...[name, ...columns]: readonly (string | number)[]): string {
  return [String(name).padEnd(48), ...columns.map((column) => String(column).padStart(15))].join(' ');
}

function printClients(out: Print, dict: Dict, key: string): void {
  const clients = clientsOf(dict, key);
  out(`Clients connected : ${clients.length}`);
  if (clients.length === 0) return;
  out(clientRow('Hostname', 'BytesRead', 'BytesWritten', 'OpVersion'));
  out(clientRow('--------', '---------', '------------', '---------'));
  for (const { hostname, bytesRead, bytesWrite, opVersion } of clients) out(clientRow(hostname, bytesRead, bytesWrite, opVersion));
}

function printClientList(out: Print, volume: string, dict: Dict): void {
  out(`Client connections for volume ${volume}`);
  const count = dict.getNumber('client-count') ?? 0;
  if (dict.has('client-count')) {
    out(clientRow('Name', 'count'));
    out(clientRow('-----', '------'));
  }
  const shown = new Set<string>();
  // A name that is none of the kinds has no count of its own: the one before it stands there again.
  let last = 0;
  let total = 0;
  for (let at = 0; at < count; at++) {
    const name = dict.getStr(`client${at}.name`) ?? '';
    if (shown.has(name)) continue;
    shown.add(name);
    if (CLIENT_KINDS.includes(name)) {
      last = dict.getNumber(`${name}-count`) ?? 0;
      total += last;
    }
    out(clientRow(name, last));
  }
  out('');
  out(`total clients for volume ${volume} : ${total} `);
  out('-'.repeat(65));
  out('');
}

function printInodeTables(out: Print, dict: Dict, key: string): void {
  const count = dict.getNumber(`${key}.conncount`) ?? 0;
  const lines = { 'LRU limit     ': 'lru_limit', 'Active Inodes ': 'active_size', 'LRU Inodes    ': 'lru_size', 'Purge Inodes  ': 'purge_size' };
  for (let at = 0; at < count; at++) {
    out(`Connection ${at + 1}:`);
    for (const [title, name] of Object.entries(lines)) {
      const value = dict.getNumber(`${key}.conn${at}.itable.${name}`);
      if (value !== undefined) out(`${title}: ${value}`);
    }
    out(' ');
  }
}

function printCallPool(out: Print, dict: Dict, key: string): void {
  const count = dict.getNumber(`${key}.callpool.count`) ?? 0;
  out(`Pending calls: ${count}`);
  for (let at = 0; at < count; at++) {
    const stack = `${key}.callpool.stack${at}`;
    const number = (name: string): number => dict.getNumber(`${stack}.${name}`) ?? 0;
    out(`Call Stack${at + 1}`);
    for (const [title, name] of [['UID   ', 'uid'], ['GID   ', 'gid'], ['PID   ', 'pid'], ['Unique', 'unique'], ['Frames', 'count']] as const) out(` ${title} : ${number(name)}`);
    for (let frame = 0; frame < number('count'); frame++) {
      out(` Frame ${frame + 1}`);
      // A frame without a reference count, as 10.3's bricks send them, shows nothing.
      out(' ');
    }
  }
}

/** The element of one process; `complete` false: the original stops there, in the middle of its document. */
export function statusDetailXml(dict: Dict, key: string, cmd: number): { readonly element: XmlElement; readonly complete: boolean } | undefined {
  if (cmd & Detail.mem) {
    const mallinfo: XmlElement = { name: 'mallinfo', children: numbers(dict, `${key}.mallinfo`, MALLINFO).map(([name, value]) => leaf(name, value)) };
    return { element: { name: 'memStatus', children: [mallinfo, { name: 'mempool' }] }, complete: false };
  }
  if (cmd & Detail.clients) return { element: clientsXml(dict, key), complete: dict.has(`${key}.clientcount`) };
  if (cmd & Detail.inode) return inodeXml(dict, key);
  if (cmd & Detail.fd) return { element: { name: 'fdStatus', children: [leaf('connections', dict.getNumber(`${key}.conncount`) ?? 0)] }, complete: true };
  if (cmd & Detail.callpool) return callPoolXml(dict, key);
  return undefined;
}

function clientsXml(dict: Dict, key: string): XmlElement {
  if (!dict.has(`${key}.clientcount`)) return { name: 'clientsStatus' };
  const clients = clientsOf(dict, key);
  const rows = clients.map(({ hostname, bytesRead, bytesWrite, opVersion }): XmlElement => ({
    name: 'client',
    children: [leaf('hostname', hostname), leaf('bytesRead', bytesRead), leaf('bytesWrite', bytesWrite), leaf('opVersion', opVersion)],
  }));
  return { name: 'clientsStatus', children: [leaf('clientCount', clients.length), ...rows] };
}

function inodeXml(dict: Dict, key: string): { element: XmlElement; complete: boolean } {
  const connections = dict.getNumber(`${key}.conncount`) ?? 0;
  const children: XmlElement[] = [leaf('connections', connections)];
  const active = dict.getNumber(`${key}.conn0.itable.active_size`);
  // The inodes themselves are never sent.
  const table = active === undefined ? [] : [leaf('activeSize', active), { name: 'active', children: active > 0 ? [{ name: 'inode' }] : [] }];
  if (connections > 0) children.push({ name: 'connection', children: table });
  return { element: { name: 'inodeStatus', children }, complete: connections === 0 };
}

function callPoolXml(dict: Dict, key: string): { element: XmlElement; complete: boolean } {
  const count = dict.getNumber(`${key}.callpool.count`) ?? 0;
  const children: XmlElement[] = [leaf('count', count)];
  if (count > 0) {
    const number = (name: string): number => dict.getNumber(`${key}.callpool.stack0.${name}`) ?? 0;
    children.push({ name: 'callStack', children: [leaf('uid', number('uid')), leaf('gid', number('gid')), leaf('pid', number('pid')), leaf('unique', number('unique')), leaf('frameCount', number('count')), { name: 'callFrame' }] });
  }
  return { element: { name: 'callpoolStatus', children }, complete: count === 0 };
}
