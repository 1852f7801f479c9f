import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Graph, type GraphRootView, type StatedumpWriter, type Xlator, callPath, dumpGlobalMemoryUsage, dumpMallinfo, dumpMemoryUsage, formatLogTime } from '@glusterts/libglusterfs';
import { dumpDicts, dumpInodes, dumpIobufs, dumpMemPools, fromTheTop, tableOwner } from './statedump-sections.js';

/** Longer lines are cut (spec/client.md, §15.3). */
const LINE_MAX = 4096;
/** Bytes that are gathered before they are written: a mount with 65,536 inodes tells of a hundred MiB. */
const CHUNK = 1 << 20;
const SECTIONS = ['mem', 'iobuf', 'callpool', 'priv', 'fd', 'inode', 'inodectx', 'fdctx', 'history'] as const;
type Section = (typeof SECTIONS)[number];

export interface StatedumpOptions {
  readonly graph: Graph | undefined;
  /** Of a client process: it owns the inode table, and has a section before the graph's. */
  readonly root?: GraphRootView | undefined;
  /** The brick's path, in a brick process. */
  readonly brick?: string | undefined;
  /** The brick's path id, or `glusterdump`. */
  readonly name: string;
  /** Where dumps and their options file are: /var/run/gluster. */
  readonly directory: string;
}

/** What the options file asks for; everything without one (spec/client.md, §15.2). */
function readOptions(directory: string): { wanted: ReadonlySet<Section>; directory: string; unknown: string[] } {
  let text: string | undefined;
  for (const name of ['glusterdump.options', `glusterdump.${process.pid}.options`]) {
    try {
      text = readFileSync(path.join(directory, name), 'latin1');
      break;
    } catch {
      // The next one, or none.
    }
  }
  if (text === undefined) return { wanted: new Set(SECTIONS), directory, unknown: [] };
  const wanted = new Set<Section>();
  const unknown: string[] = [];
  let target = directory;
  for (const word of text.split(/\s+/)) {
    const [key = '', value = ''] = word.split('=', 2);
    if (word === '') continue;
    const section = SECTIONS.find((name) => name === key);
    const on = value.startsWith('yes');
    if (key === 'path') target = value;
    else if (key === 'all') for (const name of SECTIONS) on ? wanted.add(name) : wanted.delete(name);
    else if (section) on ? wanted.add(section) : wanted.delete(section);
    else unknown.push(key);
  }
  if (wanted.size === 0) {
    wanted.add('mem');
    wanted.add('callpool');
  }
  return { wanted, directory: target, unknown };
}

/** Writes a statedump as GlusterFS lays it out (spec/client.md, §15.3) and returns the file's name. */
export function writeStatedump(options: StatedumpOptions): string {
  const { wanted, directory, unknown } = readOptions(options.directory);
  const { graph } = options;
  mkdirSync(directory, { recursive: true });
  const scratch = mkdtempSync(path.join(directory, 'dump'));
  try {
    const temporary = path.join(scratch, 'dump');
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      let text = '';
      const put = (words: string): void => {
        text += words;
        if (text.length >= CHUNK) flush();
      };
      const flush = (): void => {
        writeFileSync(fd, text, 'latin1');
        text = '';
      };
      const writer: StatedumpWriter = {
        section: (title) => put(`\n[${title}]\n`),
        write: (key, value) => put(`${`${key}=${value}`.slice(0, LINE_MAX)}\n`),
        line: (words) => put(`${words}\n`),
      };
      if (graph) put(`DUMP-START-TIME: ${formatLogTime(graph.platform.clock)}\n`);
      for (const key of unknown) put(`[Warning]:None of the options matched key : ${key}\n`);
      if (wanted.has('mem')) {
        dumpMallinfo(writer);
        dumpGlobalMemoryUsage(writer);
      }
      if (graph) dumpGraph(graph, options, wanted, writer);
      if (graph) put(`\nDUMP-END-TIME: ${formatLogTime(graph.platform.clock)}`);
      flush();
    } finally {
      closeSync(fd);
    }
    const file = path.join(directory, `${options.name}.${process.pid}.dump.${graph ? Math.floor(graph.platform.clock.wall() / 1000) : 0}`);
    renameSync(temporary, file);
    return file;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function dumpGraph(graph: Graph, { root, brick }: StatedumpOptions, wanted: ReadonlySet<Section>, writer: StatedumpWriter): void {
  const owner = tableOwner(graph, root !== undefined, brick);
  const contexts = wanted.has('inodectx');
  if (wanted.has('mem')) dumpMemPools(graph, owner, writer);
  if (wanted.has('iobuf')) dumpIobufs(graph, writer);
  if (wanted.has('callpool')) graph.callPool.dump(writer, callPath(graph));
  dumpDicts(writer);
  if (root) {
    writer.section('fuse');
    dumpXlator(root, graph, wanted, writer);
    if (wanted.has('inode')) dumpInodes(graph, owner, contexts, writer);
  }
  writer.section(`active graph - ${graph.id + 1}`);
  for (const xlator of fromTheTop(graph)) {
    dumpXlator(xlator, graph, wanted, writer);
    if (xlator === graph.top && !root && wanted.has('inode')) dumpInodes(graph, owner, contexts, writer);
    if (wanted.has('fd')) xlator.dumpFds(writer);
  }
}

function dumpXlator(xlator: Xlator | GraphRootView, graph: Graph, wanted: ReadonlySet<Section>, writer: StatedumpWriter): void {
  graph.latency.dump(writer, xlator);
  dumpMemoryUsage(xlator, writer);
  if (wanted.has('priv')) xlator.dump(writer);
}
