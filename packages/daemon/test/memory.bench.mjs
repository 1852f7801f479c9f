// What a brick keeps resident at rest: `node packages/daemon/test/memory.bench.mjs`, after a build, as root. A brick process with the
// xlators of a usual volfile, on a scratch directory. The target is 80 MiB.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const TARGET_MIB = 80;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const dir = mkdtempSync(path.join(tmpdir(), 'glusterts-memory-'));
mkdirSync(path.join(dir, '.glusterfs'));
const layers = ['features/locks', 'features/access-control', 'features/index', 'debug/io-stats'];
let volfile = `volume posix\n  type storage/posix\n  option directory ${dir}\nend-volume\n`;
let below = 'posix';
for (const type of layers) {
  const name = type.replace('/', '-');
  volfile += `volume ${name}\n  type ${type}\n${type === 'features/index' ? `  option index-base ${dir}/.glusterfs/indices\n` : ''}  subvolumes ${below}\nend-volume\n`;
  below = name;
}
volfile += `volume server\n  type protocol/server\n  option transport-type socket\n  option transport.socket.listen-port 49900\n  option auth.addr.${below}.allow *\n  subvolumes ${below}\nend-volume\n`;
writeFileSync(path.join(dir, 'brick.vol'), volfile);

const child = spawn(path.join(root, 'bin/glusterfsd'), ['-N', '-f', path.join(dir, 'brick.vol'), '-l', path.join(dir, 'log')], { stdio: 'ignore' });
await new Promise((resolve) => setTimeout(resolve, 3000));
if (child.exitCode === null) {
  const kib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]);
  console.log(`a brick at rest: ${(kib / 1024).toFixed(1)} MiB resident; the target is ${TARGET_MIB}`);
  process.exitCode = kib / 1024 <= TARGET_MIB ? 0 : 1;
} else {
  console.log(`the brick did not start:\n${readFileSync(path.join(dir, 'log'), 'utf8')}`);
  process.exitCode = 2;
}
child.kill('SIGTERM');
await new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve()));
rmSync(dir, { recursive: true, force: true });
