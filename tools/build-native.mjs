// Builds packages/libglusterfs/native with cmake-js, or says what to install and goes on: everything but mounting and
// bricks works without the addon. Node's headers are taken from beside the running node, nothing is downloaded.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const native = path.join(root, 'packages/libglusterfs/native');

function skip(reason) {
  console.error(`glusterts: no native addon: ${reason}`);
  console.error('glusterts: going on with portable TypeScript; mounting and bricks need the addon.');
  process.exit(0);
}

if (process.env.GLUSTERTS_PORTABLE === '1') skip('GLUSTERTS_PORTABLE=1');
if (process.platform !== 'linux') skip(`it is for Linux, this is ${process.platform}`);
const has = (command) => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
if (!has('cmake')) skip('cmake was not found; on Debian: apt-get install cmake');
if (!has('c++')) skip('no C++ compiler was found; on Debian: apt-get install g++');
if (!has('make') && !has('ninja')) skip('neither make nor ninja was found; on Debian: apt-get install make');

const prefix = path.resolve(path.dirname(process.execPath), '..');
const nodedir = [process.env.npm_config_nodedir, prefix, '/usr', '/usr/local'].find((dir) => dir && existsSync(path.join(dir, 'include/node/node_api.h')));
if (!nodedir) skip(`Node's headers were not found beside ${process.execPath}; on Debian: apt-get install libnode-dev`);

const args = ['compile', '-d', native, '--log-level', 'warn', '-p', '2', ...process.argv.slice(2)];
const cmakeJs = path.join(root, 'node_modules/cmake-js/bin/cmake-js');
const run = spawnSync(process.execPath, [cmakeJs, ...args], { cwd: native, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', env: { ...process.env, npm_config_nodedir: nodedir } });
if (run.status !== 0) {
  process.stderr.write(run.stdout + run.stderr);
  console.error('glusterts: the native addon did not compile');
  process.exit(run.status ?? 1);
}
