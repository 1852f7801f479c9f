import { ArenaIobufPool, type Graph, IOBUF_CLASSES, type Inode, type PoolUser, type StatedumpWriter, type Xlator, dictStats, gfidToString } from '@glusterts/libglusterfs';

/* The sections of a statedump that belong to no xlator (spec/client.md, §15.3; §17.1). JavaScript has no addresses: a number stands for each. */

/** GlusterFS's own table sizes: ours have none, but scripts look for the keys. */
const DENTRY_HASHSIZE = 14057;
const INODE_HASHSIZE = 65536;
const PAGE_SIZE = 131072;
/** sizeof of GlusterFS 10.3's types on x86_64. */
const SIZEOF_FD = 120;
const SIZEOF_DENTRY = 56;
const SIZEOF_INODE = 168;

/** Who owns the inode table, in the words of statedumps. */
export interface TableOwner {
  /** `fuse`, or the server xlator. */
  readonly xlator: string;
  /** `xlator.mount.fuse.itable`, or `conn.1.bound_xl./brick`. */
  readonly prefix: string;
  /** `meta-autoload/inode` */
  readonly name: string;
  /** Its keys follow those of the server, without a section of their own. */
  readonly untitled: boolean;
}

export function tableOwner(graph: Graph, mounted: boolean, brick: string | undefined): TableOwner {
  if (mounted) return { xlator: 'fuse', prefix: 'xlator.mount.fuse.itable', name: `${graph.top.name}/inode`, untitled: false };
  const root = brick ?? graph.top.name;
  return { xlator: graph.top.name, prefix: `conn.1.bound_xl.${root}`, name: `${root}/inode`, untitled: true };
}

export function dumpMemPools(graph: Graph, owner: TableOwner, writer: StatedumpWriter): void {
  const table = graph.inodeTable;
  const counted: PoolUser[] = [
    { name: 'fd_t', xlator: owner.xlator, active: table.fdCount, sizeofType: SIZEOF_FD },
    { name: 'dentry_t', xlator: owner.xlator, active: table.dentryCount, sizeofType: SIZEOF_DENTRY },
    { name: 'inode_t', xlator: owner.xlator, active: table.size, sizeofType: SIZEOF_INODE },
  ];
  graph.memPools.dump(writer, counted);
}

export function dumpIobufs(graph: Graph, writer: StatedumpWriter): void {
  const { iobufs } = graph;
  writer.section('iobuf.global');
  writer.write('iobuf_pool', '0x1');
  writer.write('iobuf_pool.default_page_size', PAGE_SIZE);
  writer.write('iobuf_pool.arena_size', IOBUF_CLASSES.reduce((sum, { size, count }) => sum + size * count, 0));
  if (!(iobufs instanceof ArenaIobufPool)) return;
  const stats = iobufs.stats();
  writer.write('iobuf_pool.arena_cnt', stats.reduce((sum, { arenas }) => sum + arenas, 0));
  writer.write('iobuf_pool.request_misses', iobufs.misses);
  stats.forEach((arena, i) => {
    const prefix = `arena.${i + 1}`;
    writer.section(prefix);
    writer.write(`${prefix}.mem_base`, `0x${(i + 1).toString(16)}`);
    writer.write(`${prefix}.active_cnt`, arena.active);
    writer.write(`${prefix}.passive_cnt`, arena.pages - arena.active);
    writer.write(`${prefix}.alloc_cnt`, arena.hits);
    writer.write(`${prefix}.max_active`, arena.activeMax);
    writer.write(`${prefix}.page_size`, arena.size);
  });
}

export function dumpDicts(writer: StatedumpWriter): void {
  const { dicts, pairs, pairsMax } = dictStats;
  writer.section('dict');
  writer.write('max-pairs-per-dict', pairsMax);
  writer.write('total-pairs-used', pairs);
  writer.write('total-dicts-used', dicts);
  writer.write('average-pairs-per-dict', dicts === 0 ? 0 : Math.floor(pairs / dicts));
}

/**
 * The table, then its active inodes, those in no use, and those among them that the kernel was asked to forget (10.3 with a working directory beyond --lru-limit).
 * @param contexts with what the xlators keep of each
 */
export function dumpInodes(graph: Graph, { prefix, name, untitled }: TableOwner, contexts: boolean, writer: StatedumpWriter): void {
  const table = graph.inodeTable;
  const xlators = contexts ? fromTheBottom(graph) : [];
  if (!untitled) writer.section(prefix);
  writer.write(`${prefix}.dentry_hashsize`, DENTRY_HASHSIZE);
  writer.write(`${prefix}.inode_hashsize`, INODE_HASHSIZE);
  writer.write(`${prefix}.name`, name);
  writer.write(`${prefix}.lru_limit`, table.lruLimit);
  writer.write(`${prefix}.active_size`, table.activeSize);
  writer.write(`${prefix}.lru_size`, table.lruSize);
  writer.write(`${prefix}.purge_size`, 0);
  writer.write(`${prefix}.invalidate_size`, table.invalidateSize);
  const idle: Inode[] = [];
  const asked: Inode[] = [];
  let number = 0;
  for (const inode of table.inodes()) {
    if (table.isInvalidated(inode)) asked.push(inode);
    else if (inode.refs === 0 && inode !== table.root) idle.push(inode);
    else dumpInode(inode, `${prefix}.active.${++number}`, xlators, writer);
  }
  idle.forEach((inode, i) => dumpInode(inode, `${prefix}.lru.${i + 1}`, xlators, writer));
  asked.forEach((inode, i) => dumpInode(inode, `${prefix}.invalidate.${i + 1}`, xlators, writer));
}

function dumpInode(inode: Inode, section: string, xlators: readonly Xlator[], writer: StatedumpWriter): void {
  writer.section(section);
  writer.write('gfid', gfidToString(inode.gfid));
  writer.write('nlookup', inode.nlookup);
  writer.write('fd-count', inode.fds.size);
  let named = 0;
  for (const fd of inode.fds) if (!fd.anonymous) named++;
  writer.write('active-fd-count', named);
  writer.write('ref', inode.refs);
  writer.write('invalidate-sent', inode.table.isInvalidated(inode) ? 1 : 0);
  writer.write('ia_type', inode.ia_type);
  for (const xlator of xlators) xlator.dumpInode(inode, writer);
}

function fromTheBottom(graph: Graph): Xlator[] {
  return fromTheTop(graph).reverse();
}

/** The xlators from the top down, as the graph's fops meet them; each once. */
export function fromTheTop(graph: Graph): Xlator[] {
  const order = new Set<Xlator>();
  const visit = (xlator: Xlator): void => {
    if (order.has(xlator)) return;
    order.add(xlator);
    for (const child of xlator.children) visit(child.xlator);
  };
  visit(graph.top);
  // Whatever no fop reaches from the top.
  for (const xlator of graph.xlators) order.add(xlator);
  return [...order];
}
