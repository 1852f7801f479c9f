// What both `npm start` and `npm test` do first on a fresh clone: install, build the addon, build the packages. Plain Node,
// for nothing is installed yet when it runs.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const stamp = path.join(root, 'node_modules/.glusterts-installed');

/** Runs a command in the root; its output shows only when it fails. Ends the process with its status then. */
export function run(title, command, args, options = {}) {
  const begin = process.hrtime.bigint();
  process.stderr.write(`glusterts: ${title} … `);
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 28, ...options, env: { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false', ...options.env } });
  const seconds = (Number(process.hrtime.bigint() - begin) / 1e9).toFixed(1);
  if (result.status !== 0) {
    process.stderr.write(`failed after ${seconds} s\n${result.error ? `${result.error.message}\n` : ''}${result.stdout ?? ''}${result.stderr ?? ''}\n`);
    process.exit(result.status || 1);
  }
  process.stderr.write(`${seconds} s\n`);
  return result;
}

function installed() {
  const hash = createHash('sha256').update(readFileSync(path.join(root, 'package-lock.json'))).digest('hex');
  return { hash, ok: existsSync(stamp) && readFileSync(stamp, 'utf8') === hash };
}

export function install() {
  const { hash, ok } = installed();
  if (ok) return;
  // Not `npm ci`: it refuses a lock without every platform's optional binaries, and registries that mirror only some lack them.
  run('installing the packages that it stands on (npm install)', 'npm', ['install', '--no-save', '--no-audit', '--no-fund']);
  writeFileSync(stamp, hash);
}

/** The addon; without a compiler it says what to install, and the rest goes on. */
export function buildNative() {
  const result = run('building the native addon', process.execPath, [path.join(root, 'tools/build-native.mjs')]);
  if (result.stderr) process.stderr.write(result.stderr);
}

export function nx(title, args, options) {
  return run(title, process.execPath, [path.join(root, 'node_modules/nx/dist/bin/nx.js'), ...args], options);
}

export function build() {
  nx('building the packages', ['run-many', '-t', 'build', '--parallel=2', '--outputStyle=static']);
}
