import type { StatedumpWriter } from '../xlator.js';

/** `[mallinfo]` in malloc's terms: arena is what is resident, uordblks what of V8's heap is in use, hblkhd what lies outside the heap. */
export function dumpMallinfo(writer: StatedumpWriter): void {
  const usage = process.memoryUsage();
  writer.section('mallinfo');
  writer.write('mallinfo_arena', usage.rss);
  writer.write('mallinfo_hblkhd', usage.external);
  writer.write('mallinfo_uordblks', usage.heapUsed);
  writer.write('mallinfo_fordblks', usage.heapTotal - usage.heapUsed);
}
