import type { GraphView } from './xlator.js';

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
