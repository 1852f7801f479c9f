import type { StatedumpWriter } from './xlator.js';

/**
 * `[<type>.<name> - Memory usage]` (spec/client.md, §15.3). GlusterFS counts the allocations of each C type there, a section a type. JavaScript
 * has no such types, so there are none; the section stands, since scripts find their way by it.
 */
export function dumpMemoryUsage({ type, name }: { readonly type: string; readonly name: string }, writer: StatedumpWriter): void {
  writer.section(`${type}.${name} - Memory usage`);
  writer.write('num_types', 0);
}

/** The process's own. */
export function dumpGlobalMemoryUsage(writer: StatedumpWriter): void {
  dumpMemoryUsage({ type: 'global', name: 'glusterfs' }, writer);
}
