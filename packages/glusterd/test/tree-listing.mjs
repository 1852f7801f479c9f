// Run by node inside a test's private host: a tree as lstat and the xattr calls show it, as client.json has it.
import { lstatSync, readdirSync, readlinkSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { localStorage } from '../../libglusterfs/dist/index.js';

const [root, backend, probes = '[]'] = process.argv.slice(2);
const storage = localStorage();
const bytes = (text) => Buffer.from(text, 'utf8').toString('latin1');
const entries = [];

function visit(path) {
  const full = join(root, path);
  const stat = lstatSync(full, { bigint: true });
  const names = storage.llistxattr(bytes(full));
  const xattrs = {};
  for (const name of Array.isArray(names) ? [...names].sort() : []) {
    const value = storage.lgetxattr(bytes(full), name);
    xattrs[name] = typeof value === 'number' ? `errno ${-value}` : Buffer.from(value).toString('hex');
  }
  entries.push({
    path, mode: `0o${stat.mode.toString(8)}`, nlink: Number(stat.nlink), uid: Number(stat.uid), gid: Number(stat.gid), size: Number(stat.size), blocks: Number(stat.blocks),
    atime_ns: String(stat.atimeNs), mtime_ns: String(stat.mtimeNs), ctime_ns: String(stat.ctimeNs), ino: String(BigInt.asUintN(64, stat.ino)), xattrs,
    ...(stat.isSymbolicLink() ? { target: readlinkSync(full) } : {}),
    ...(stat.isCharacterDevice() || stat.isBlockDevice() ? { rdev: [Number((stat.rdev >> 8n) & 0xfffn), Number(stat.rdev & 0xffn)] } : {}),
  });
  if (stat.isDirectory()) for (const name of readdirSync(full).sort()) visit(join(path, name));
}

visit('/');
const virtual_xattrs = {};
for (const key of JSON.parse(probes)) {
  const at = key.lastIndexOf(' ');
  const value = storage.lgetxattr(bytes(join(root, key.slice(0, at))), key.slice(at + 1));
  virtual_xattrs[key] = typeof value === 'number' ? `errno ${-value}` : Buffer.from(value).toString('utf8');
}
// bsize, frsize, blocks, bfree, bavail, files, ffree, favail, namemax, of which Node doesn't tell the second and the last two.
const statvfs = (path) => {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
  return [bsize, bsize, blocks, bfree, bavail, files, ffree];
};
console.log(JSON.stringify({ entries, virtual_xattrs, statvfs_client: statvfs(root), statvfs_backend: statvfs(backend) }));
