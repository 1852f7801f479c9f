import type { GraphView, StatedumpWriter, Xlator } from '@glusterts/libglusterfs';
import { type MetaNode, dir, file, link } from './nodes.js';

/** GlusterFS's release that glusterts is compatible with, as `version` shows it. */
const PACKAGE_VERSION = '10.3';

/** The tree under `.meta` (spec/client.md, §14). */
export function metaTree(graph: GraphView): MetaNode {
  return dir(() => [
    ['cmdline', () => file(() => `{ \n  "Cmdlinestr": "${graph.cmdArgs.get('cmdline') ?? ''}"\n}`)],
    ['version', () => file(() => `{ \n  "Package Version": "${PACKAGE_VERSION}"\n}\n`)],
    ['process_uuid', () => file(() => `${graph.processUuid.replace(/^CTX_ID:/, '')}\n`)],
    ['logging', () => logging(graph)],
    ['graphs', () => graphs(graph)],
  ]);
}

function logging(graph: GraphView): MetaNode {
  return dir(() => [
    ['loglevel', () => file(() => `${graph.top.log.level}\n`)],
    ['logfile', () => link(() => graph.cmdArgs.get('log-file') ?? '')],
  ]);
}

function graphs(graph: GraphView): MetaNode {
  const name = graph.cmdArgs.get('graph-uuid') ?? `graph-${graph.id}`;
  return dir(() => [
    [name, () => graphDir(graph)],
    ['active', () => link(() => name)],
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
    ['options', () => dir(() => [...xlator.volfileOptions].map(([key, value]) => [key, () => file(() => `${value}\n`)] as const))],
    ['subvolumes', () => dir(() => xlator.children.map((child, i) => [String(i), () => link(() => `../../${child.name}`)] as const))],
    ['private', () => file(() => privateText(xlator))],
    ['view', () => dir(() => [])],
  ]);
}

/** As a statedump's section, with ` = ` between key and value. */
function privateText(xlator: Xlator): string {
  let text = '';
  const writer: StatedumpWriter = {
    section: (title) => {
      text += `[${title}]\n`;
    },
    write: (key, value) => {
      text += `${key} = ${value}\n`;
    },
  };
  xlator.dump(writer);
  return text;
}

/** The graph as a volfile: four blanks of indent, a blank line between volumes; children before parents. */
export function volfileText(graph: GraphView): string {
  return graph.xlators
    .map((xlator) => {
      const options = [...xlator.volfileOptions].map(([key, value]) => `    option ${key} ${value}\n`).join('');
      const children = xlator.children.length > 0 ? `    subvolumes ${xlator.children.map((child) => child.name).join(' ')}\n` : '';
      return `volume ${xlator.name}\n    type ${xlator.type}\n${options}${children}end-volume\n`;
    })
    .join('\n');
}
