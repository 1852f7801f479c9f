import { type GraphView, LogLevel, type StatedumpWriter, type Xlator, dumpMallinfo, fopLabel } from '@glusterts/libglusterfs';
import { type MetaNode, dir, file, link } from './nodes.js';

/** GlusterFS's release that glusterts is compatible with, as `version` shows it. */
const PACKAGE_VERSION = '10.3';

/** The tree under `.meta` (spec/client.md, §14). */
export function metaTree(graph: GraphView): MetaNode {
  return dir(() => [
    ['cmdline', () => file(() => `{ \n  "Cmdlinestr": "${graph.cmdArgs.get('cmdline') ?? ''}"\n}`)],
    ['version', () => file(() => `{ \n  "Package Version": "${PACKAGE_VERSION}"\n}\n`)],
    ['process_uuid', () => file(() => `${graph.processUuid.replace(/^CTX_ID:/, '')}\n`)],
    ['frames', () => file(() => framesText(graph))],
    ['mallinfo', () => file(() => statedumpText(dumpMallinfo))],
    ['measure_latency', () => file(() => `${graph.latency.enabled ? 1 : 0}\n`, (text) => (graph.latency.enabled = numberIn(text) !== 0))],
    ['logging', () => logging(graph)],
    ['graphs', () => graphs(graph)],
  ]);
}

function logging(graph: GraphView): MetaNode {
  return dir(() => [
    ['loglevel', () => file(() => `${graph.top.log.level}\n`, (text) => setLogLevel(graph, numberIn(text)))],
    ['logfile', () => link(() => graph.cmdArgs.get('log-file') ?? '')],
  ]);
}

function graphs(graph: GraphView): MetaNode {
  const name = (each: GraphView): string => each.cmdArgs.get('graph-uuid') ?? `graph-${each.id}`;
  return dir(() => [
    ...[...graph.elders, graph].map((each) => [name(each), () => graphDir(each)] as const),
    ['active', () => link(() => name(graph))],
  ]);
}

function graphDir(graph: GraphView): MetaNode {
  return dir(() => [
    ['volfile', () => file(() => volfileText(graph))],
    ['top', () => link(() => graph.top.name)],
    ...graph.xlators.map((xlator) => [xlator.name, () => xlatorDir(xlator)] as const),
  ]);
}

function xlatorDir(xlator: Xlator): MetaNode {
  return dir(() => [
    ['name', () => file(() => `${xlator.name}\n`)],
    ['type', () => file(() => `${xlator.type}\n`)],
    ['options', () => dir(() => [...xlator.shownOptions].map(([key, value]) => [key, () => file(() => `${value}\n`)] as const))],
    ['subvolumes', () => dir(() => xlator.children.map((child, i) => [String(i), () => link(() => `../../${child.name}`)] as const))],
    ['private', () => file(() => statedumpText((writer) => xlator.dump(writer)))],
    ['profile', () => file(() => profileText(xlator))],
    ['view', () => dir(() => [])],
  ]);
}

/** As a statedump's section, with ` = ` between key and value. */
function statedumpText(dump: (writer: StatedumpWriter) => void): string {
  let text = '';
  const writer: StatedumpWriter = {
    section: (title) => {
      text += `[${title}]\n`;
    },
    write: (key, value) => {
      text += `${key} = ${value}\n`;
    },
  };
  dump(writer);
  return text;
}

/** Reading it resets the counters. */
function profileText(xlator: Xlator): string {
  const { latency } = xlator.graph;
  const text = statedumpText((writer) => latency.dump(writer, xlator));
  latency.reset(xlator);
  return text;
}

/** A number as strtol reads it: what stands at the beginning; 0 for none. */
function numberIn(text: string): number {
  return Number(/^\s*([+-]?\d+)/.exec(text)?.[1] ?? 0);
}

/** Out of range: ignored. */
function setLogLevel(graph: GraphView, level: number): void {
  const known = Object.values(LogLevel).find((value) => value === level);
  if (known !== undefined) graph.top.log.configure?.({ level: known });
}

/** The requests in flight, the one that reads this among them. */
function framesText(graph: GraphView): string {
  const stacks = [...graph.callPool.stacks()].map(
    ({ frame, op, unique, sinceMs }, i) => `   {
\t"Number": ${i + 1},
\t"Frame": [
\t   {
\t\t"Number": 1,
\t\t"Xlator": "${graph.top.name}",
\t\t"Creation_time": ${(sinceMs / 1000).toFixed(9)},
\t\t"Complete": 0
\t   }
\t],
\t"Unique": ${unique},
\t"Type": "${fopLabel(op)}",
\t"UID": ${frame.uid},
\t"GID": ${frame.gid},
\t"LK_owner": "${Buffer.from(frame.lk_owner, 'latin1').toString('hex')}"
   }`,
  );
  const list = stacks.length === 0 ? '' : `\n${stacks.join(',\n')}`;
  return `{ \n\t"Stack": [${list}\n\t],\n\t"Call_Count": ${graph.callPool.cnt}\n}`;
}

/** The graph as a volfile: four blanks of indent, a blank line after each volume; children before parents; the option that was set last comes first. */
export function volfileText(graph: GraphView): string {
  return graph.xlators
    .map((xlator) => {
      const options = [...xlator.shownOptions].reverse().map(([key, value]) => `    option ${key} ${value}\n`).join('');
      const children = xlator.children.length > 0 ? `    subvolumes ${xlator.children.map((child) => child.name).join(' ')}\n` : '';
      return `volume ${xlator.name}\n    type ${xlator.type}\n${options}${children}end-volume\n\n`;
    })
    .join('');
}
