// The figures of docs/architecture.md, "Brick I/O": node packages/xlator-posix/test/storage.bench.mjs [directory]
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const addon = path.resolve(import.meta.dirname, '../../libglusterfs/native/build/Release/glusterts_native.node');
const sys = createRequire(import.meta.url)(addon).syscalls;
const dir = mkdtempSync(path.join(process.argv[2] ?? '/tmp', 'storage-bench-'));
const file = path.join(dir, 'file');
const fd = sys.open(file, 0o102, 0o644);
const jobs = new Map();
sys.onDone((finished) => {
  for (let i = 0; i < finished.length; i += 2) {
    jobs.get(finished[i])();
    jobs.delete(finished[i]);
  }
});
let last = 0;
const submit = (op, chunk) => new Promise((resolve) => {
  jobs.set(++last, resolve);
  sys.submit(op, last, fd, [chunk], 0, 0, 0, 0);
});

async function measure(label, count, call) {
  await call();
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) {
    const result = call();
    if (result instanceof Promise) await result;
  }
  console.log(`${label.padEnd(28)} ${(Number(process.hrtime.bigint() - start) / count / 1000).toFixed(2)} µs`);
}

const mdata = new Uint8Array(57);
await measure('lstat', 20000, () => sys.lstat(file, 0));
await measure('fstat', 20000, () => sys.fstat(fd, 0));
if (process.getuid() === 0) {
  await measure('lsetxattr mdata', 20000, () => sys.lsetxattr(file, 'trusted.glusterfs.mdata', mdata, 0));
  await measure('lgetxattr mdata', 20000, () => sys.lgetxattr(file, 'trusted.glusterfs.mdata'));
}
for (const kib of [4, 128, 1024]) {
  const chunk = new Uint8Array(kib * 1024);
  await measure(`pwrite ${kib} KiB at once`, 40000 / kib, () => sys.pwritev(fd, [chunk], 0));
  await measure(`pwrite ${kib} KiB by the pool`, 8000 / Math.sqrt(kib), () => submit(1, chunk));
  await measure(`pread ${kib} KiB at once`, 40000 / kib, () => sys.preadv(fd, [chunk], 0, 1));
  await measure(`pread ${kib} KiB by the pool`, 8000 / Math.sqrt(kib), () => submit(0, chunk));
}
const small = new Uint8Array(4096);
await measure('16 x pwrite 4 KiB, pool', 1000, () => Promise.all(Array.from({ length: 16 }, () => submit(1, small))));
sys.close(fd);
rmSync(dir, { recursive: true });
