import { describe, expect, it } from 'vitest';
import { type Bytes, CtxCells, CtxSlot, Fd, type Gfid, IaType, Iatt, type Inode, InodeTable, utf8 } from '../src/index.js';

let made = 0;
function iattOf(type: IaType): Iatt {
  const iatt = new Iatt().setGfid(String(++made).padStart(16, 'g') as string as Gfid);
  iatt.ia_type = type;
  return iatt;
}

function setup(lruLimit = 0): { table: InodeTable; forgotten: Inode[]; file(parent: Inode, name: string): Inode; folder(parent: Inode, name: string): Inode } {
  const forgotten: Inode[] = [];
  const table = new InodeTable('test', { forget: (inode) => forgotten.push(inode), release: () => undefined }, { lruLimit });
  const make = (type: IaType) => (parent: Inode, name: string) => table.link(table.create(), parent, utf8(name), iattOf(type));
  return { table, forgotten, file: make(IaType.REG), folder: make(IaType.DIR) };
}

describe('inodes beyond the limit that the kernel knows', () => {
  it('are asked for once each, the oldest first, and again when that could not be told', () => {
    const asked: Inode[] = [];
    let refuse = true;
    const table = new InodeTable('test', { forget: () => undefined, release: () => undefined }, {
      lruLimit: 2,
      invalidate: (inode) => {
        asked.push(inode);
        return !refuse;
      },
    });
    const known = (name: string): Inode => {
      const inode = table.link(table.create().ref(), table.root, utf8(name), iattOf(IaType.REG));
      table.lookup(inode);
      inode.unref();
      return inode;
    };
    const [a, b, c] = ['a', 'b', 'c'].map(known);
    expect(asked).toEqual([a]);
    expect(table.invalidateSize).toBe(0);
    refuse = false;
    const d = known('d');
    expect(asked).toEqual([a, b]);
    expect(known('e').nlookup).toBe(1);
    known('f');
    expect(asked).toEqual([a, b, c, a]);
    expect([b, c, d, a].map((inode) => inode !== undefined && table.isInvalidated(inode))).toEqual([true, true, false, true]);
    for (const inode of [a, b, c]) if (inode) table.forget(inode, 1);
    expect([table.lruSize, table.invalidateSize, table.find(a?.gfid ?? ('' as Gfid))]).toEqual([2, 1, undefined]);
  });


  it('are asked for behind one that the kernel does not let go of', () => {
    const held = utf8('held');
    const due: Inode[] = [];
    const table = new InodeTable('test', { forget: () => undefined, release: () => undefined }, { lruLimit: 2, invalidate: (inode) => due.push(inode) > 0 });
    for (let i = 0; i < 20; i++) {
      const inode = table.link(table.create().ref(), table.root, i === 0 ? held : utf8(`f${i}`), iattOf(IaType.REG));
      table.lookup(inode);
      inode.unref();
      for (const asked of due.splice(0)) if (asked.basename !== held) table.forget(asked, 1);
    }
    expect(table.grep(table.root, held)).toBeDefined();
    expect(table.lruSize).toBeLessThan(6);
  });

  it('may be a directory whose last name was forgotten with a file', () => {
    const due: Inode[] = [];
    const table = new InodeTable('test', { forget: () => undefined, release: () => undefined }, { lruLimit: 1, invalidate: (inode) => due.push(inode) > 0 });
    const known = (parent: Inode, name: string, type: IaType): Inode => {
      const inode = table.link(table.create().ref(), parent, utf8(name), iattOf(type));
      table.lookup(inode);
      inode.unref();
      return inode;
    };
    const folders = ['a', 'b', 'c'].map((name) => known(table.root, name, IaType.DIR));
    due.splice(0);
    const files = folders.map((folder) => known(folder, 'file', IaType.REG));
    for (const file of files) table.forget(file, 1);
    expect(table.lruSize).toBe(1);
    expect([...new Set([...due])]).toEqual(expect.arrayContaining(folders.slice(0, 1)));
  });
});

const namesOf = (table: InodeTable, inode: Inode): Bytes[] => table.namesOf(inode).map(({ name }) => name);

describe('the names of an inode', () => {
  it('are all known, the newest first, and the others come back when it goes', () => {
    const { table, file } = setup();
    const inode = file(table.root, 'one');
    const iatt = new Iatt().setGfid(inode.gfid);
    table.link(inode, table.root, utf8('two'), iatt);
    table.link(inode, table.root, utf8('three'), iatt);
    expect(namesOf(table, inode)).toEqual(['three', 'two', 'one']);
    expect(table.path(inode)).toBe('/three');
    table.unlink(inode, table.root, utf8('three'));
    expect(table.path(inode)).toBe('/two');
    table.unlink(inode, table.root, utf8('one'));
    expect(namesOf(table, inode)).toEqual(['two']);
    table.unlink(inode, table.root, utf8('two'));
    expect(namesOf(table, inode)).toEqual([]);
    expect(table.path(inode)).toMatch(/^<gfid:/);
    expect(table.grep(table.root, utf8('two'))).toBeUndefined();
  });

  it('pass to another inode when that one is linked under them', () => {
    const { table, file } = setup();
    const first = file(table.root, 'name');
    const second = file(table.root, 'name');
    expect(table.grep(table.root, utf8('name'))).toBe(second);
    expect(table.parentOf(first)).toBeUndefined();
  });

  it('hold it, though nobody refers to it; without any it leaves once it is in no use and the kernel forgets it', () => {
    const { table, file, forgotten } = setup();
    const known = file(table.root, 'known').ref();
    const open = file(table.root, 'open').ref();
    const unused = file(table.root, 'unused');
    const renamed = file(table.root, 'renamed');
    const replaced = file(table.root, 'replaced');
    table.lookup(known);
    known.unref();
    for (const [inode, name] of [[known, 'known'], [open, 'open'], [unused, 'unused']] as const) table.unlink(inode, table.root, utf8(name));
    table.rename(table.root, utf8('renamed'), table.root, utf8('replaced'), renamed, new Iatt().setGfid(renamed.gfid));
    expect(forgotten).toEqual([unused, replaced]);
    table.forget(known, 1);
    expect(forgotten).toEqual([unused, replaced, known]);
    open.unref();
    expect(forgotten).toEqual([unused, replaced, known, open]);
    expect(table.size).toBe(2);
    expect(table.find(renamed.gfid)).toBe(renamed);
    expect(table.lruSize).toBe(1);
  });

  it('are gone only for a while when a file is linked again before it was let go of', () => {
    const { table, file, forgotten } = setup();
    const inode = file(table.root, 'one').ref();
    table.unlink(inode, table.root, utf8('one'));
    table.link(inode, table.root, utf8('two'), new Iatt().setGfid(inode.gfid));
    inode.unref();
    expect(forgotten).toEqual([]);
    expect(table.lruSize).toBe(1);
  });

  it('never held one that is known by its gfid alone, which stays as a cache entry', () => {
    const { table, forgotten } = setup();
    const inode = table.link(table.create().ref(), undefined, utf8(''), iattOf(IaType.REG));
    inode.unref();
    expect(forgotten).toEqual([]);
    expect(table.lruSize).toBe(1);
  });

  it('follow a rename, also to another directory', () => {
    const { table, file, folder } = setup();
    const directory = folder(table.root, 'directory');
    const inode = file(table.root, 'before');
    table.rename(table.root, utf8('before'), directory, utf8('after'), inode, new Iatt().setGfid(inode.gfid));
    expect(table.path(inode)).toBe('/directory/after');
    expect(namesOf(table, inode)).toEqual(['after']);
  });

  it('refuse a directory inside itself', () => {
    const { table, folder } = setup();
    const outer = folder(table.root, 'outer');
    const inner = folder(outer, 'inner');
    const iatt = new Iatt().setGfid(outer.gfid);
    iatt.ia_type = IaType.DIR;
    expect(() => table.link(outer, inner, utf8('loop'), iatt)).toThrow(/ELOOP/);
  });

  it('hold their directory, which may go when the last of them has gone', () => {
    const { table, file, folder, forgotten } = setup(1);
    const directory = folder(table.root, 'directory').ref();
    const child = file(directory, 'child').ref();
    directory.unref();
    file(table.root, 'younger');
    file(table.root, 'youngest');
    expect(forgotten).not.toContain(directory);
    expect(table.parentOf(child)).toEqual({ parent: directory, name: 'child' });
    child.unref();
    for (const name of ['a', 'b', 'c']) file(table.root, name);
    expect(forgotten).toEqual(expect.arrayContaining([child, directory]));
    expect(table.lruSize).toBe(1);
  });
});

describe('an inode', () => {
  it('knows its open fds while there are any', () => {
    const { table, file } = setup();
    const inode = file(table.root, 'file');
    expect(inode.fds.size).toBe(0);
    const fd = new Fd(inode).bind();
    const other = new Fd(inode, { anonymous: true }).bind();
    expect([...inode.fds]).toEqual([fd, other]);
    fd.unref();
    other.unref();
    expect(inode.fds.size).toBe(0);
  });
});

describe('a ctx slot', () => {
  it('keeps what is set on inodes and on fds apart, and inodes have no cell for what only fds carry', () => {
    const { table } = setup();
    const cells = new CtxCells();
    const [onFds, onBoth, onInodes] = [new CtxSlot<string>(cells), new CtxSlot<number>(cells), new CtxSlot<string>(cells)];
    const inode = table.create();
    const fd = new Fd(inode);
    onFds.set(fd, 'fd');
    onBoth.set(fd, 1);
    onBoth.set(inode, 2);
    onInodes.set(inode, 'inode');
    expect([onFds.get(fd), onBoth.get(fd), onInodes.get(fd)]).toEqual(['fd', 1, undefined]);
    expect([onFds.get(inode), onBoth.get(inode), onInodes.get(inode)]).toEqual([undefined, 2, 'inode']);
    expect([[inode.ctx0, inode.ctx1, inode.ctx2], [fd.ctx0, fd.ctx1, fd.ctx2]]).toEqual([[2, 'inode', undefined], ['fd', 1, undefined]]);
    onBoth.delete(inode);
    expect(onBoth.get(inode)).toBeUndefined();
    expect(onBoth.get(table.create())).toBeUndefined();
  });

  it('has a cell of its own, however many there are', () => {
    const { table } = setup();
    const cells = new CtxCells();
    const slots = Array.from({ length: 20 }, () => new CtxSlot<number>(cells));
    const [early, inode] = [table.create(), table.create()];
    for (const [i, slot] of slots.entries()) {
      slot.set(inode, i);
      if (i % 2 === 0) slot.set(early, 100 + i);
    }
    for (const [i, slot] of slots.entries()) expect([slot.get(inode), slot.get(early)]).toEqual([i, i % 2 === 0 ? 100 + i : undefined]);
    for (const slot of slots) slot.delete(inode);
    for (const slot of slots) slot.delete(table.create());
    expect(slots.map((slot) => slot.get(inode))).toEqual(slots.map(() => undefined));
    expect(slots.map((slot) => slot.get(early))).toEqual(slots.map((_, i) => (i % 2 === 0 ? 100 + i : undefined)));
  });

  it('goes along when an fd takes over from another', () => {
    const { table } = setup();
    const cells = new CtxCells();
    const slots = Array.from({ length: 12 }, () => new CtxSlot<string>(cells));
    const from = new Fd(table.create());
    const to = new Fd(table.create());
    for (const slot of slots) slot.set(from, 'state');
    to.takeCtx(from);
    for (const slot of slots) expect([slot.get(from), slot.get(to)]).toEqual([undefined, 'state']);
  });
});
