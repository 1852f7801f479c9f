import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ArenaIobufPool, type Graph, type StatedumpWriter, formatLogTime, gfidToString } from '@glusterts/libglusterfs';

/** Longer lines are cut (spec/client.md, §15.3). */
const LINE_MAX = 4096;
const SECTIONS = ['mem', 'iobuf', 'callpool', 'priv', 'fd', 'inode', 'inodectx', 'fdctx', 'history'] as const;
type Section = (typeof SECTIONS)[number];

export interface StatedumpOptions {
  readonly graph: Graph | undefined;
  /** More private sections before the graph's: the mount's. */
  readonly extra?: (writer: StatedumpWriter) => void;
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
  let text = graph ? `DUMP-START-TIME: ${formatLogTime(graph.platform.clock)}\n` : '';
  const writer: StatedumpWriter = {
    section: (title) => {
      text += `\n[${title}]\n`;
    },
    write: (key, value) => {
      text += `${`${key}=${value}`.slice(0, LINE_MAX)}\n`;
    },
  };
  for (const key of unknown) text += `[Warning]:None of the options matched key : ${key}\n`;
  if (wanted.has('mem')) memory(writer);
  if (wanted.has('iobuf') && graph) iobufs(graph, writer);
  if (wanted.has('priv')) options.extra?.(writer);
  if (graph) {
    writer.section(`active graph - ${graph.id + 1}`);
    for (const xlator of [...graph.xlators].reverse()) {
      if (wanted.has('priv')) xlator.dump(writer);
    }
    if (wanted.has('inode')) inodes(graph, writer);
    text += `\nDUMP-END-TIME: ${formatLogTime(graph.platform.clock)}`;
  }
  mkdirSync(directory, { recursive: true });
  const scratch = mkdtempSync(path.join(directory, 'dump'));
  const temporary = path.join(scratch, 'dump');
  writeFileSync(temporary, Buffer.from(text, 'latin1'), { mode: 0o600 });
  const file = path.join(directory, `${options.name}.${process.pid}.dump.${graph ? Math.floor(graph.platform.clock.wall() / 1000) : 0}`);
  renameSync(temporary, file);
  rmdirSync(scratch);
  return file;
}

function memory(writer: StatedumpWriter): void {
  const usage = process.memoryUsage();
  writer.section('mallinfo');
  writer.write('mallinfo_arena', usage.rss);
  writer.write('mallinfo_uordblks', usage.heapUsed);
  writer.write('mallinfo_fordblks', usage.heapTotal - usage.heapUsed);
  writer.write('mallinfo_hblkhd', usage.external);
}

function iobufs(graph: Graph, writer: StatedumpWriter): void {
  writer.section('iobuf.global');
  writer.write('iobuf_pool.active_cnt', graph.iobufs.active);
  if (!(graph.iobufs instanceof ArenaIobufPool)) return;
  const stats = graph.iobufs.stats();
  writer.write('iobuf_pool.arena_cnt', stats.reduce((sum, { arenas }) => sum + arenas, 0));
  writer.write('iobuf_pool.request_misses', graph.iobufs.misses);
  stats.forEach((arena, i) => {
    writer.section(`arena.${i + 1}`);
    writer.write(`arena.${i + 1}.page_size`, arena.size);
    writer.write(`arena.${i + 1}.active_cnt`, arena.active);
    writer.write(`arena.${i + 1}.passive_cnt`, arena.pages - arena.active);
    writer.write(`arena.${i + 1}.alloc_cnt`, arena.hits);
  });
}

function inodes(graph: Graph, writer: StatedumpWriter): void {
  const table = graph.inodeTable;
  const prefix = `${graph.top.name}.itable`;
  writer.section(prefix);
  writer.write('name', `${graph.top.name}/inode`);
  writer.write('lru_limit', table.lruLimit);
  writer.write('active_size', table.activeSize);
  writer.write('lru_size', table.lruSize);
  writer.write('purge_size', 0);
  writer.write('invalidate_size', table.invalidateSize);
  let number = 0;
  for (const inode of table.inodes()) {
    if (inode.refs === 0) continue;
    writer.section(`${prefix}.active.${++number}`);
    writer.write('gfid', gfidToString(inode.gfid));
    writer.write('nlookup', inode.nlookup);
    writer.write('fd-count', inode.fds.size);
    writer.write('active-fd-count', [...inode.fds].filter((fd) => !fd.anonymous).length);
    writer.write('ref', inode.refs);
    writer.write('ia_type', inode.ia_type);
  }
}
