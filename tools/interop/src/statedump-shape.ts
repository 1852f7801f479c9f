/* The structure of statedumps (spec/client.md, §15.3): sections and keys, and what can be said of values. */

export interface Section {
  readonly title: string;
  /** `key=value`, in order; words without `=` as they are. */
  readonly lines: readonly string[];
}

const OF_C = / - usage-type .* memusage$/;

/** What stands before the first section, and the last line, have the title ''. */
export function sectionsOf(dump: string): Section[] {
  const sections: { title: string; lines: string[] }[] = [{ title: '', lines: [] }];
  for (const line of dump.split('\n')) {
    const title = /^\[([^\]]+(?:\](?!$)[^\]]*)*)\]$/.exec(line)?.[1];
    // A brick's tables of inodes, and its clients, have no titles.
    if (/^conn\.\d+\.bound_xl\..*\.dentry_hashsize=/.test(line)) sections.push({ title: 'table of inodes', lines: [] });
    else if (/^conn\.\d+\.id=/.test(line)) sections.push({ title: 'client', lines: [] });
    // Allocations of C's types. What follows them without a title of its own belongs to the section before.
    if (title !== undefined && OF_C.test(title)) continue;
    if (title !== undefined) sections.push({ title, lines: [] });
    else if (line.startsWith('DUMP-END-TIME')) sections.push({ title: '', lines: [line] });
    else if (line !== '' && !line.startsWith('num_allocs=')) sections.at(-1)?.lines.push(line);
  }
  return sections;
}

/** Values that are the same in every run of that volume: settings, sizes of C's types, names. All others are the run's own. */
const STEADY = /^(?:sizeof-type|padded-sizeof|pool-name|xlator-name|iobuf_pool\.default_page_size|\S+\.(?:dentry_hashsize|inode_hashsize|lru_limit|name)|volfile|volfile_size|mount_point|direct_io_mode|\w+_timeout|strict_volfile_check|use_readdirp|invalidate_limit|\w+_started|init_recvd|window_conf|dontsync|max_file_size|window_size|aggregate_size|flush_behind|trickling_writes|use_anonymous_fd|lazy_open|subvol_cnt|subvolumes\[0\]|min_free_\w+|disk_unit percentage|cache_limit|inode_limit|max_\w+_threads|maximum_threads_count|idle_time|stack_size|base_path|base_path_length|barrier\.\w+|mandatory|removes_pending|\S+\.program-number|\S+\.program-version|page_size|page_count|force_atime_update|cache_size|cache_timeout|m(?:in|ax)-file-size|connected|type|complete)$/;
/** Of these a dump has as many as there are. */
const REPEATED = /^(?:ne|pe)$/;

export interface ShapeOptions {
  /** What this run's names are there. */
  readonly rename?: (text: string) => string;
  /** Sections that aren't looked at, by title. */
  readonly without?: RegExp;
}

/**
 * Each kind of section once, in the order of their first, with its keys, and the values that are the same in every run. Left out are: which
 * allocations of C's types there are (JavaScript has none), who holds references to an inode (we count them, but not by xlator), the
 * latencies of fops, whose form another test has, a client's open files, and the locks themselves.
 */
export function shapeOf(dump: string, { rename = (text) => text, without = /(?!)/ }: ShapeOptions = {}): string[] {
  const shapes = new Set<string>();
  for (const { title, lines } of sectionsOf(rename(dump))) {
    if (without.test(title)) continue;
    const name = title.replace(/\.(active|lru)\.\d+$/, '.$1.N').replace(/^(arena|purge)\.\d+$/, '$1.N').replace(/^active graph - \d+$/, 'active graph - N').replace(/\.stack\.\d+/, '.stack.N').replace(/\.frame\.\d+$/, '.frame.N').replace(/^conn\.\d+/, 'conn.N');
    if (name === 'mempool') {
      shapes.add(`[mempool]`);
      // Which types have pools is each implementation's own; each has these lines.
      for (const pool of lines.join('\n').split('-----=-----\n').slice(1)) shapes.add(`pool: ${pool.trim().split('\n').map((line) => line.replace(/=.*/, '')).join(' ')}`);
      continue;
    }
    let previous = '';
    const keys = lines.flatMap((line) => {
      const at = line.indexOf('=');
      const key = (at < 0 ? line : line.slice(0, at)).replace(/^(arena|purge)\.\d+\./, '$1.N.').replace(/^conn\.\d+/, 'conn.N');
      if (key.startsWith('ref_by_xl:') || /\.latency\.[A-Z]+$/.test(key) || /^fd\.\d+\.remote_fd$|^(?:posix|inode|entry)lk[-.]|^lock-dump\./.test(key)) return [];
      if (REPEATED.test(key) && key === previous) return [];
      previous = key;
      if (at < 0) return [key.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} \+0000$/, 'TIME')];
      return [STEADY.test(key) ? `${key}=${line.slice(at + 1)}` : /^\S+\.(?:cumulative|incremental)\.[A-Z_]+$/.test(key) && !/^\d+,\d+(?:,\d+\.\d{3}){3}$/.test(line.slice(at + 1)) ? line : `${key}=`];
    });
    shapes.add(`[${name}] ${keys.join(' ; ')}`);
  }
  return [...shapes];
}
