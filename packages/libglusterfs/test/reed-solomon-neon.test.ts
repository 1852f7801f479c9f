import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const sources = path.resolve(import.meta.dirname, '../native/src');
const program = path.join(import.meta.dirname, 'reed-solomon-levels.c');
const compiler = 'aarch64-linux-gnu-gcc';
const emulator = 'qemu-aarch64';
const native = process.arch === 'arm64';

const has = (command: string): boolean => spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
const missing = !has('gcc') ? 'there is no gcc' : native ? undefined : !has(compiler) ? `there is no ${compiler} (Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross)` : !has(emulator) ? `there is no ${emulator} (Debian: qemu-user)` : undefined;
if (missing) console.warn(`tests of Reed-Solomon on NEON skipped: ${missing}`);

describe.skipIf(missing !== undefined)('Reed-Solomon on NEON', () => {
  const folder = missing ? '' : mkdtempSync(path.join(tmpdir(), 'neon-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function sums(cc: string, files: readonly string[], run: (binary: string) => string): Map<string, string> {
    const binary = path.join(folder, cc);
    execFileSync(cc, ['-O3', '-Wall', '-Wextra', '-Werror', '-static', `-I${sources}`, '-o', binary, program, ...files.map((file) => path.join(sources, file))], { timeout: 300_000 });
    return new Map(run(binary).trim().split('\n').map((line): [string, string] => {
      const [level = '', sum = ''] = line.split(' ');
      return [level, sum];
    }));
  }

  it('gives the same bytes as portable C, for every k, all 31 bricks and any matrix', () => {
    const here = sums('gcc', ['rs_portable.c', 'rs_network.c', ...(native ? ['rs_neon.c'] : [])], (binary) => execFileSync(binary, { encoding: 'utf8' }));
    const there = native ? here : sums(compiler, ['rs_portable.c', 'rs_neon.c', 'rs_network.c'], (binary) => execFileSync(emulator, [binary], { encoding: 'utf8', timeout: 300_000 }));
    expect(there.get('NEON')).toMatch(/^[0-9a-f]{16}$/);
    expect(there.get('NEON')).toBe(here.get('C'));
    expect(there.get('C')).toBe(here.get('C'));
  }, 600_000);

  it.skipIf(native)('is compiled with the rest of the C sources without a warning', () => {
    for (const file of readdirSync(sources).filter((name) => name.endsWith('.c'))) {
      execFileSync(compiler, ['-c', '-std=gnu11', '-O2', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', `-I${sources}`, '-o', path.join(folder, `${file}.o`), path.join(sources, file)], { timeout: 300_000 });
    }
  }, 600_000);
});
