import type { Inode, StatedumpWriter } from '@glusterts/libglusterfs';
import type { Dht } from './dht.js';

/* What statedumps and `.meta/…/private` show (vectors/client/meta-contents-default.txt). */

export function dumpDht({ name, subvols, settings, generation }: Pick<Dht, 'name' | 'subvols' | 'settings' | 'generation'>, writer: StatedumpWriter): void {
  writer.section(`xlator.cluster.dht.${name}.priv`);
  writer.write('subvol_cnt', subvols.length);
  subvols.forEach((subvol, i) => {
    writer.write(`subvolumes[${i}]`, `${subvol.fops.xlator.type}.${subvol.name}`);
    // The layout of a file on that subvolume: all of it there.
    writer.write(`file_layouts[${i}].cnt`, 1);
    writer.write(`file_layouts[${i}].preset`, 1);
    writer.write(`file_layouts[${i}].gen`, 0);
    writer.write(`subvolume_status[${i}]`, subvol.up ? 1 : 0);
  });
  writer.write('search_unhashed', settings.lookupUnhashed === 'auto' ? 2 : 1);
  writer.write('gen', generation);
  writer.write('min_free_disk', settings.minFreeDisk.toFixed(6));
  writer.write('min_free_inodes', settings.minFreeInodes.toFixed(6));
  writer.write('disk_unit percentage', settings.minFreeDisk < 100 ? 1 : 0);
  writer.write('refresh_interval', 0);
  writer.write('unhashed_sticky_bit', settings.unhashedStickyBit ? 1 : 0);
  writer.write('use-readdirp', settings.useReaddirp ? 1 : 0);
  subvols.forEach((subvol, i) => {
    if (!subvol.up) return;
    writer.write(`subvolumes[${i}]`, subvol.name);
    writer.write(`du_stats[${i}].avail_percent`, subvol.disk.availPercent.toFixed(6));
    writer.write(`du_stats[${i}].avail_space`, subvol.disk.availBytes);
    writer.write(`du_stats[${i}].avail_inodes`, subvol.disk.inodePercent.toFixed(6));
    writer.write(`du_stats[${i}].log`, 0);
  });
}

/** The layout of a directory, or that of the subvolume that a file's data is on; nothing for what was not looked up through us. */
export function dumpLayout(dht: Dht, inode: Inode, writer: StatedumpWriter): void {
  const state = dht.known(inode);
  if (!state?.layout && !state?.cached) return;
  writer.section(`xlator.cluster.dht.${dht.name}.inode`);
  writer.write('layout.cnt', state.layout?.entries.length ?? 1);
  writer.write('layout.preset', state.layout ? 0 : 1);
  writer.write('layout.gen', state.layout?.generation ?? 0);
}
