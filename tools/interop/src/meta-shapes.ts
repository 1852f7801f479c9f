/* What is left of the texts of `.meta` and of statedumps when that is taken out of them which is another in every run. */

/** Another on every host and in every run: process number, uuids, times. */
export function sameEverywhere(text: string): string {
  return text
    .replace(/clta-\d+-\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d\.\d{6} \+0000/g, 'GRAPH')
    .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UUID')
    .replace(/PID:\d+/, 'PID:N');
}

/** What counts what this process did, and sizes; settings stay. Which types C's allocations have, JavaScript doesn't know: num_types is 0. */
const COUNTS = /^(mallinfo_\w+|num_types|total_bytes_\w+|\w*msgs_sent|\w+_(?:hit|miss|lookup)_count|du_stats\S+|total_files_cached|total_cache_used|cache-\w+|cache_used|inode_count|consumed_\w+|\w+\.data_\w+) = [\d.]+$/gm;
/** Hits, total, least, most and mean of a fop. */
const OF_IO_STATS = /^(\S+\.(?:cumulative|incremental)\.[A-Z_]+ ?= ?)\d+,\d+,\d+\.\d{3},\d+\.\d{3},\d+\.\d{3}$/gm;

export function shape(text: string): string {
  return sameEverywhere(text).replace(/\[[^\]]* usage-type [^\]]*\]\nnum_allocs = \d+\n/g, '').replace(COUNTS, '$1 = N').replace(OF_IO_STATS, '$1N,N,n,n,n');
}

/** Lines of fops: which came, and how long they took, is the run's own. */
export function latencyShape(text: string): string[] {
  return [...new Set(text.split('\n').map((line) => line.replace(/\.latency\.[A-Z]+ = AVG:\d+\.\d{6} CNT:\d+ TOTAL:\d+ MIN:\d+ MAX:\d+$/, '.latency.FOP = LATENCY')))];
}

