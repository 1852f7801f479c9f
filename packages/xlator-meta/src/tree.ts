import { type CallFrame, type GraphRootView, type GraphView, LogLevel, type StatedumpWriter, type Xlator, callFrames, callPath, dumpGlobalMemoryUsage, dumpMallinfo, dumpMemoryUsage, fopLabel, volfileText } from '@glusterts/libglusterfs';
import { type MetaNode, dir, file, link } from './nodes.js';

/** GlusterFS's release that glusterts is compatible with, as `version` shows it. */
const PACKAGE_VERSION = '10.3';

/** The tree under `.meta` (spec/client.md, §14). */
export function metaTree(graph: GraphView): MetaNode {
  return dir(() => [
    ['cmdline', () => file(() => `{ \n  "Cmdlinestr": "${graph.cmdArgs.get('cmdline') ?? ''}"\n}`)],
    ['version', () => file(() => `{ \n  "Package Version": "${PACKAGE_VERSION}"\n}`)],
    ['process_uuid', () => file(() => `${graph.processUuid.replace(/^CTX_ID:/, '')}\n`)],
    ['frames', () => file(() => framesText(graph))],
    ['mallinfo', () => file(() => statedumpText(dumpMallinfo) + statedumpText(dumpGlobalMemoryUsage))],
    ['measure_latency', () => file(() => `${graph.latency.enabled ? 1 : 0}\n`, (text) => (graph.latency.enabled = numberIn(text) !== 0))],
    ['logging', () => logging(graph)],
    ['graphs', () => graphs(graph)],
    ...rootEntry(graph),
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
    ...graph.xlators.map((xlator) => [xlator.name, () => xlatorDir(xlator, graph, xlator.children)] as const),
  ]);
}

function rootEntry(graph: GraphView): [string, () => MetaNode][] {
  const { root } = graph;
  return root ? [['root', () => xlatorDir(root, graph, [])]] : [];
}

function xlatorDir(xlator: Xlator | GraphRootView, graph: GraphView, children: readonly { readonly name: string }[]): MetaNode {
  return dir(() => [
    ['name', () => file(() => `${xlator.name}\n`)],
    ['type', () => file(() => `${xlator.type}\n`)],
    ['options', () => dir(() => [...xlator.shownOptions].map(([key, value]) => [key, () => file(() => `${value}\n`)] as const))],
    ['subvolumes', () => dir(() => children.map((child, i) => [String(i), () => link(() => `../../${child.name}`)] as const))],
    ['private', () => file(() => statedumpText((writer) => xlator.dump(writer)))],
    // No xlator of ours keeps one: GlusterFS's fuse and trace do if they are told to.
    ['history', () => file(() => '')],
    ['meminfo', () => file(() => statedumpText((writer) => dumpMemoryUsage(xlator, writer)))],
    ['profile', () => file(() => profileText(xlator, graph))],
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
function profileText(xlator: Xlator | GraphRootView, { latency }: GraphView): string {
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
  const path = callPath(graph);
  const stacks = [...graph.callPool.stacks()].map(
    ({ frame, op, unique, sinceMs }, i) => `\t   {
\t\t"Number": ${i + 1},
\t\t"Frame": [
${callFrames(path, op).map((each, j) => frameText(each, j + 1, sinceMs)).join(',\n')}
\t\t],
\t\t"Unique": ${unique},
\t\t"Type": "${fopLabel(op)}",
\t\t"UID": ${frame.uid},
\t\t"GID": ${frame.gid},
\t\t"LK_owner": "${Buffer.from(frame.lk_owner, 'latin1').toString('hex')}"
\t   }`,
  );
  const list = stacks.length === 0 ? '' : `\n${stacks.join(',\n')}`;
  return `{ \n\t"Stack": [${list}\n\t],\n\t"Call_Count": ${graph.callPool.cnt}\n}`;
}

function frameText(frame: CallFrame, number: number, sinceMs: number): string {
  const lines = [`"Number": ${number}`, `"Xlator": "${frame.xlator}"`, `"Creation_time": ${(sinceMs / 1000).toFixed(9)}`];
  if (frame.parent !== undefined) lines.push(`"Parent": "${frame.parent}"`);
  if (frame.windFrom !== undefined) lines.push(`"Wind_from": "${frame.windFrom}"`);
  if (frame.windTo !== undefined) lines.push(`"Wind_to": "${frame.windTo}"`);
  if (frame.unwindTo !== undefined) lines.push(`"Unwind_to": "${frame.unwindTo}"`);
  lines.push('"Complete": 0');
  return `\t\t   {\n${lines.map((line) => `\t\t\t${line}`).join(',\n')}\n\t\t   }`;
}
