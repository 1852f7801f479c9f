// What a million inodes cost: `node --expose-gc packages/libglusterfs/test/memory.bench.mjs [count]`, after a build. Prints the
// resident memory of a table whose inodes have a gfid and a name each, in directories of a thousand, as a mount that has
// listed a large tree holds them; and the time of linking one.
import { randomFillSync } from 'node:crypto';
import { IaType, Iatt, InodeTable } from '../dist/index.js';

const count = Number(process.argv[2] ?? 1_000_000);
const perDirectory = 1000;
const rss = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss;
};

const entropy = Buffer.alloc(16 * 4096);
let used = entropy.length;
function gfid() {
  if (used === entropy.length) {
    randomFillSync(entropy);
    used = 0;
  }
  used += 16;
  return entropy.latin1Slice(used - 16, used);
}

const table = new InodeTable('bench', { forget: () => undefined, release: () => undefined }, { lruLimit: 0 });
const before = rss();
const begin = performance.now();
let parent = table.root;
for (let i = 0; i < count; i++) {
  const directory = i % perDirectory === 0;
  const iatt = new Iatt().setGfid(gfid());
  iatt.ia_type = directory ? IaType.DIR : IaType.REG;
  const inode = table.create();
  const linked = table.link(inode, directory ? table.root : parent, directory ? `dir-${i}` : `file-number-${i}`, iatt);
  table.lookup(linked);
  if (directory) parent = linked;
}
const elapsed = performance.now() - begin;
const after = rss();
console.log(`${count} inodes: ${((after - before) / 2 ** 20).toFixed(0)} MiB more, ${(after / 2 ** 20).toFixed(0)} MiB in all, ${((after - before) / count).toFixed(0)} bytes and ${((elapsed * 1000) / count).toFixed(2)} µs an inode`);
