import type { Inode } from './inode.js';
import type { StatedumpWriter } from './xlator.js';

const ADDRESS_BYTES = 6;

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

/** Stands where GlusterFS prints the address of an inode: JavaScript has none, and the end of the gfid tells inodes apart as well. */
export function inodeAddress(inode: Inode): string {
  return `0x${Buffer.from(inode.gfid.slice(-ADDRESS_BYTES), 'latin1').toString('hex')}`;
}
