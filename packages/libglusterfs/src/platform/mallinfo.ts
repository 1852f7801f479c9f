import type { StatedumpWriter } from '../xlator.js';

/**
 * `[mallinfo]` in malloc's terms: arena is what is resident, uordblks what of V8's heap is in use, hblkhd what lies outside the heap. What
 * JavaScript can't know of the C heap (numbers of blocks, what could be trimmed) is 0.
 */
export function dumpMallinfo(writer: StatedumpWriter): void {
  const usage = process.memoryUsage();
  writer.section('mallinfo');
  writer.write('mallinfo_arena', usage.rss);
  writer.write('mallinfo_ordblks', 0);
  writer.write('mallinfo_smblks', 0);
  writer.write('mallinfo_hblks', 0);
  writer.write('mallinfo_hblkhd', usage.external);
  writer.write('mallinfo_usmblks', 0);
  writer.write('mallinfo_fsmblks', 0);
  writer.write('mallinfo_uordblks', usage.heapUsed);
  writer.write('mallinfo_fordblks', usage.heapTotal - usage.heapUsed);
  writer.write('mallinfo_keepcost', 0);
}
