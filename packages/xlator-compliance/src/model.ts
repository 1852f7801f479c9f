import { Errno, FopError, IaType, errnoOf } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import type { GraphDriver } from './graph-driver.js';
import { pattern } from './io.js';
import type { Bench } from './suite.js';

const OPERATIONS = 400;
const NAMES = ['a', 'b', 'c', 'd', 'e', '.a.b', 'z\xff'];

/** A plain tree to compare with. Hard links share a Leaf. */
interface Leaf {
  kind: 'file';
  bytes: Uint8Array;
}
interface Branch {
  kind: 'directory';
  children: Map<string, Node>;
}
interface Pointer {
  kind: 'symlink';
  target: string;
}
type Node = Leaf | Branch | Pointer;

/** xorshift32: the same operations for the same seed. */
function random(seed: number): (limit: number) => number {
  let state = seed >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}

/** A tree in plain memory that answers as a file system must. */
export class TreeModel {
  readonly root: Branch = { kind: 'directory', children: new Map() };

  find(path: readonly string[]): Node {
    let at: Node = this.root;
    for (const name of path) {
      if (at.kind !== 'directory') throw new FopError(Errno.ENOTDIR);
      const next = at.children.get(name);
      if (!next) throw new FopError(Errno.ENOENT);
      at = next;
    }
    return at;
  }

  parent(path: readonly string[]): { branch: Branch; name: string } {
    const branch = this.find(path.slice(0, -1));
    if (branch.kind !== 'directory') throw new FopError(Errno.ENOTDIR);
    return { branch, name: path.at(-1) ?? '' };
  }

  add(path: readonly string[], node: Node): void {
    const { branch, name } = this.parent(path);
    if (branch.children.has(name)) throw new FopError(Errno.EEXIST);
    branch.children.set(name, node);
  }

  unlink(path: readonly string[]): void {
    const { branch, name } = this.parent(path);
    const node = this.find(path);
    if (node.kind === 'directory') throw new FopError(Errno.EISDIR);
    branch.children.delete(name);
  }

  rmdir(path: readonly string[]): void {
    const { branch, name } = this.parent(path);
    const node = this.find(path);
    if (node.kind !== 'directory') throw new FopError(Errno.ENOTDIR);
    if (node.children.size > 0) throw new FopError(Errno.ENOTEMPTY);
    branch.children.delete(name);
  }

  rename(from: readonly string[], to: readonly string[]): void {
    const node = this.find(from);
    const source = this.parent(from);
    const target = this.parent(to);
    const victim = target.branch.children.get(target.name);
    if (victim === node) return;
    if (node.kind === 'directory' && to.length > from.length && from.every((name, i) => to[i] === name)) throw new FopError(Errno.EINVAL);
    if (victim) {
      if (node.kind === 'directory' && victim.kind !== 'directory') throw new FopError(Errno.ENOTDIR);
      if (node.kind !== 'directory' && victim.kind === 'directory') throw new FopError(Errno.EISDIR);
      if (victim.kind === 'directory' && victim.children.size > 0) throw new FopError(Errno.ENOTEMPTY);
    }
    source.branch.children.delete(source.name);
    target.branch.children.set(target.name, node);
  }

  file(path: readonly string[]): Leaf {
    const node = this.find(path);
    if (node.kind !== 'file') throw new FopError(Errno.EINVAL);
    return node;
  }
}

/** Compares a whole tree, names, kinds and contents. */
async function compare(driver: GraphDriver, base: string, branch: Branch): Promise<void> {
  expect(await driver.names(base)).toEqual([...branch.children.keys()].sort());
  for (const [name, node] of branch.children) {
    const path = `${base}/${name}`;
    const stat = await driver.lookup(path);
    if (node.kind === 'directory') {
      expect(stat.ia_type).toBe(IaType.DIR);
      await compare(driver, path, node);
    } else if (node.kind === 'symlink') {
      expect(await driver.readlink(path)).toBe(node.target);
    } else {
      expect(stat.ia_size).toBe(node.bytes.length);
      expect(Buffer.compare(await driver.readFile(path), node.bytes)).toBe(0);
    }
  }
}

async function outcome(work: () => void | Promise<unknown>): Promise<number> {
  try {
    await work();
    return 0;
  } catch (error) {
    if (!(error instanceof FopError)) throw error;
    return errnoOf(error);
  }
}

/** Errors that stand for each other where several rules are broken at once. */
const ALIKE: readonly (readonly number[])[] = [[Errno.ENOTEMPTY, Errno.EEXIST, Errno.EINVAL], [Errno.EISDIR, Errno.EPERM, Errno.EEXIST], [Errno.ENOTDIR, Errno.ENOENT, Errno.ENOTEMPTY], [Errno.ENOTDIR, Errno.EINVAL]];
const alike = (a: number, b: number): boolean => a === b || ALIKE.some((set) => set.includes(a) && set.includes(b));

/** Random operations, compared with the model after each batch. Exported for tests with more than one client. */
export async function runModel(drivers: readonly GraphDriver[], base: string, options: { seed: number; operations: number; hardLinks: boolean }): Promise<void> {
  const next = random(options.seed);
  const model = new TreeModel();
  const path = (): string[] => Array.from({ length: 1 + next(3) }, () => NAMES[next(NAMES.length)] ?? 'a');
  for (let step = 0; step < options.operations; step++) {
    const driver = drivers[next(drivers.length)];
    if (!driver) return;
    const [one, two] = [path(), path()];
    const [at, other] = [`${base}/${one.join('/')}`, `${base}/${two.join('/')}`];
    const bytes = pattern(next(3) === 0 ? next(70_000) : next(600), step);
    const offset = next(2) * next(9000);
    const kinds = ['mkdir', 'mkdir', 'write', 'write', 'write', 'unlink', 'rmdir', 'rename', 'rename', 'symlink', 'link', 'truncate', 'patch'] as const;
    const kind = kinds[next(kinds.length)] ?? 'mkdir';
    let wanted = 0;
    let got = 0;
    const both = async (expected: () => void, actual: () => Promise<unknown>): Promise<void> => {
      wanted = await outcome(expected);
      got = await outcome(actual);
    };
    switch (kind) {
      case 'mkdir':
        await both(() => model.add(one, { kind: 'directory', children: new Map() }), () => driver.mkdir(at));
        break;
      case 'symlink':
        await both(() => model.add(one, { kind: 'symlink', target: other }), () => driver.symlink(other, at));
        break;
      case 'write':
        await both(() => model.add(one, { kind: 'file', bytes }), async () => {
          const fd = await driver.create(at);
          if (bytes.length > 0) await driver.write(fd, bytes, 0);
          await driver.close(fd);
        });
        break;
      case 'unlink':
        await both(() => model.unlink(one), () => driver.unlink(at));
        break;
      case 'rmdir':
        await both(() => model.rmdir(one), () => driver.rmdir(at));
        break;
      case 'rename':
        // The kernel never asks for a rename onto the same file.
        if ((await outcome(() => { if (model.find(one) === model.find(two)) throw new FopError(Errno.EBUSY); })) === Errno.EBUSY) break;
        await both(() => model.rename(one, two), () => driver.rename(at, other));
        break;
      case 'link':
        if (!options.hardLinks || (await outcome(() => void model.file(one))) !== 0) break;
        await both(() => model.add(two, model.file(one)), () => driver.link(at, other));
        break;
      case 'truncate':
        if ((await outcome(() => void model.file(one))) !== 0) break;
        await both(() => {
          const file = model.file(one);
          const resized = new Uint8Array(offset);
          resized.set(file.bytes.subarray(0, offset));
          file.bytes = resized;
        }, () => driver.truncate(at, offset));
        break;
      case 'patch':
        if ((await outcome(() => void model.file(one))) !== 0 || bytes.length === 0) break;
        await both(() => {
          const file = model.file(one);
          const grown = new Uint8Array(Math.max(file.bytes.length, offset + bytes.length));
          grown.set(file.bytes);
          grown.set(bytes, offset);
          file.bytes = grown;
        }, async () => {
          const fd = await driver.open(at);
          await driver.write(fd, bytes, offset);
          await driver.close(fd);
        });
        break;
    }
    if (!alike(wanted, got)) expect(`step ${step} ${kind} ${at} ${other}: errno ${got}`).toBe(`step ${step} ${kind} ${at} ${other}: errno ${wanted}`);
    if (step % 100 === 99) for (const each of drivers) await compare(each, base, model.root);
  }
  for (const each of drivers) await compare(each, base, model.root);
}

/** Random operations against a model of plain memory. */
export function modelTests(bench: Bench): void {
  const operations = bench.options.randomOperations ?? OPERATIONS;
  describe.skipIf(operations === 0)('random operations', () => {
    for (const seed of [1, 2, 3]) {
      it(`end as on a plain tree (seed ${seed})`, async () => {
        await runModel([bench.driver], bench.at('').replace(/\/$/, ''), { seed, operations, hardLinks: bench.has('hard-links') });
      }, 120_000);
    }
  });
}
