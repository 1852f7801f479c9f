import { type Gfid, IaType, Iatt, type Inode, InodeTable, utf8 } from '@glusterts/libglusterfs';
import { describe, expect, it } from 'vitest';
import { NodeTable } from '../src/node-table.js';
import { ROOT_NODEID } from '../src/protocol.js';

function newTable(name: string): { table: InodeTable; gone: Inode[]; file(number: number): Inode } {
  const gone: Inode[] = [];
  const table = new InodeTable(name, { forget: (inode) => gone.push(inode), release: () => undefined }, { lruLimit: 0 });
  return {
    table,
    gone,
    file: (number) => {
      const iatt = new Iatt().setGfid(String(number).padStart(16, 'g') as Gfid);
      iatt.ia_type = IaType.REG;
      return table.link(table.create(), table.root, utf8(`f${number}`), iatt);
    },
  };
}

describe('the kernel\'s numbers', () => {
  it('are one for each file, in order of first sight, never used twice; the root\'s is 1', () => {
    const nodes = new NodeTable();
    const { table, file } = newTable('a');
    const [a, b] = [file(1), file(2)];
    expect([nodes.lookup(table.root), nodes.lookup(a), nodes.lookup(b), nodes.lookup(a)]).toEqual([ROOT_NODEID, 2, 3, 2]);
    expect([nodes.get(2), nodes.get(3), nodes.get(4)]).toEqual([a, b, undefined]);
    expect([nodes.find(a.gfid), nodes.find(b.gfid), nodes.find(table.root.gfid), nodes.find(file(3).gfid)]).toEqual([2, 3, ROOT_NODEID, undefined]);
    expect([a.nlookup, b.nlookup, table.root.nlookup]).toEqual([2, 1, 0]);
    nodes.forget(3, 1);
    expect([nodes.get(3), nodes.find(b.gfid), b.nodeid, nodes.size]).toEqual([undefined, undefined, 0, 2]);
    expect(nodes.lookup(b)).toBe(4);
  });

  it('stay until all lookups are forgotten; more than there were, and numbers that nobody has, do no harm', () => {
    const nodes = new NodeTable();
    const { file } = newTable('a');
    const a = file(1);
    for (let i = 0; i < 3; i++) nodes.lookup(a);
    nodes.forget(2, 2);
    expect([nodes.get(2), a.nlookup]).toEqual([a, 1]);
    nodes.forget(2, 5);
    nodes.forget(2, 1);
    nodes.forget(77, 1);
    nodes.forget(ROOT_NODEID, 1);
    expect([nodes.get(2), a.nlookup, nodes.size]).toEqual([undefined, 0, 1]);
  });

  it('go along to another graph, where lookups are counted from then on; the old graph may let go of the inode', () => {
    const nodes = new NodeTable();
    const [old, next] = [newTable('old'), newTable('next')];
    const a = old.file(1);
    nodes.lookup(a);
    nodes.lookup(a);
    const b = old.file(2);
    expect(nodes.lookup(b)).toBe(3);
    nodes.serve(old.table);
    nodes.serve(next.table);
    nodes.forget(3, 1);
    expect(nodes.find(b.gfid)).toBeUndefined();
    // The old graph goes down before the kernel asks for the file again.
    old.table.clear();
    expect([nodes.find(a.gfid), nodes.get(2)]).toEqual([2, a]);
    const same = next.file(1);
    expect(nodes.lookup(same)).toBe(2);
    expect([nodes.get(2), same.nlookup, a.nlookup, a.nodeid]).toEqual([same, 3, 0, 0]);
    expect(nodes.find(a.gfid)).toBe(2);
    nodes.forget(2, 3);
    expect([nodes.find(a.gfid), nodes.size, same.nodeid]).toEqual([undefined, 1, 0]);
  });

  it('are found again when the old graph still answers after the switch, whichever of them was asked last', () => {
    const nodes = new NodeTable();
    const [old, next] = [newTable('old'), newTable('next')];
    const [a, late] = [old.file(1), old.file(2)];
    nodes.lookup(a);
    nodes.serve(next.table);
    expect(nodes.lookup(late)).toBe(3);
    const same = next.file(1);
    nodes.move(a, same);
    expect(nodes.lookup(a)).toBe(2);
    expect([nodes.get(2), nodes.find(a.gfid), nodes.find(late.gfid)]).toEqual([a, 2, 3]);
    expect(nodes.lookup(next.file(2))).toBe(3);
    expect(nodes.lookup(same)).toBe(2);
    expect([nodes.size, same.nlookup, a.nlookup]).toEqual([3, 3, 0]);
    nodes.clear();
    expect([nodes.size, nodes.find(a.gfid), nodes.find(late.gfid)]).toEqual([1, undefined, undefined]);
  });
});
