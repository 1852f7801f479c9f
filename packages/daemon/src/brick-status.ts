import { type Bytes, Dict, type Graph } from '@glusterts/libglusterfs';

/** Bits of `cmd`, as glusterd hands them on (spec/cli.md, §6.5). */
const Ask = { MEMORY: 1, CLIENTS: 2, INODES: 4, FDS: 8, CALL_POOL: 0x10, CLIENT_LIST: 0x80 } as const;
/** Slots of the original's client table, of which a status shows all. */
const CLIENT_SLOTS = 128;
/** Requests that one answer shows. */
const STACKS_MAX = 1024;

/**
 * What a brick's process holds, for `volume status V clients|mem|inode|fd|callpool|client-list` (spec/rpc-wire.md, §12, STATUS).
 *
 * @returns undefined when there is nothing to tell, which the original's bricks refuse
 */
export function brickStatus(graph: Graph, request: Dict): Dict | undefined {
  const cmd = request.getNumber('cmd') ?? 0;
  if (cmd & Ask.CLIENT_LIST) return clientNames(graph);
  if (cmd & Ask.CLIENTS) return clients(graph);
  if (cmd & Ask.MEMORY) return memory();
  if (cmd & Ask.INODES) return inodeTables(graph);
  // The original counts tables that have been closed, of which there are none.
  if (cmd & Ask.FDS) return new Dict().setInt('conncount', 0);
  if (cmd & Ask.CALL_POOL) return callPool(graph);
  return new Dict();
}

function clients(graph: Graph): Dict | undefined {
  const connected = graph.top.connectedClients();
  if (connected.length === 0) return undefined;
  const dict = new Dict();
  connected.forEach(({ hostname, bytesRead, bytesWritten, opVersion, processName }, at) => {
    const key = `client${at}`;
    dict.setStr(`${key}.hostname`, hostname as Bytes).setUint(`${key}.bytesread`, bytesRead).setUint(`${key}.byteswrite`, bytesWritten);
    dict.setInt(`${key}.opversion`, opVersion).setStr(`${key}.name`, processName as Bytes);
  });
  return dict.setInt('clientcount', connected.length);
}

function clientNames(graph: Graph): Dict | undefined {
  const names = graph.top.connectedClients().map(({ processName }) => processName);
  if (names.length === 0) return undefined;
  const dict = new Dict().setInt('client-count', names.length);
  names.forEach((name, at) => dict.setStr(`client${at}.name`, name as Bytes));
  for (const name of new Set(names)) dict.setInt(`${name}-count`, names.filter((other) => other === name).length);
  return dict;
}

/** malloc's numbers, as far as V8 has such: see mallinfo.ts in libglusterfs. */
function memory(): Dict {
  const { rss, external, heapUsed, heapTotal } = process.memoryUsage();
  const numbers = { arena: rss, ordblks: 0, smblks: 0, hblks: 0, hblkhd: external, usmblks: 0, fsmblks: 0, uordblks: heapUsed, fordblks: heapTotal - heapUsed, keepcost: 0 };
  const dict = new Dict();
  for (const [name, value] of Object.entries(numbers)) dict.setUint(`mallinfo.${name}`, value);
  return dict;
}

function inodeTables(graph: Graph): Dict {
  const dict = new Dict().setInt('conncount', CLIENT_SLOTS);
  if (graph.top.connectedClients().length === 0) return dict;
  const { inodeTable: table } = graph;
  return dict.setUint('conn0.itable.lru_limit', table.lruLimit).setUint('conn0.itable.active_size', table.activeSize).setUint('conn0.itable.lru_size', table.lruSize).setUint('conn0.itable.purge_size', 0);
}

/** The requests in flight, the youngest first: that is the question itself. */
function callPool(graph: Graph): Dict {
  const { callPool: pool } = graph;
  const own = { uid: 0, gid: 0, pid: 0, unique: pool.total + 1, op: 'other', type: 0, translator: 'glusterfs' };
  const fops = [...pool.stacks()].map(({ frame: { uid, gid, pid }, op, unique, type }) => ({ uid, gid, pid, unique, op, type, translator: graph.top.name }));
  const stacks = [own, ...fops.reverse()].slice(0, STACKS_MAX);
  const dict = new Dict().setInt('callpool.count', stacks.length);
  stacks.forEach(({ uid, gid, pid, unique, op, type, translator }, at) => {
    const key = `callpool.stack${at}`;
    dict.setInt(`${key}.uid`, uid).setInt(`${key}.gid`, gid).setInt(`${key}.pid`, pid).setUint(`${key}.unique`, unique).setStr(`${key}.op`, op as Bytes).setInt(`${key}.type`, type);
    dict.setInt(`${key}.count`, 1).setStr(`${key}.frame0.translator`, translator as Bytes).setInt(`${key}.frame0.complete`, 0);
  });
  return dict;
}
