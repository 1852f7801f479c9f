import type { Iobuf, IobufPool } from './iobuf.js';

/** GlusterFS's size classes: bytes of a page, pages of an arena (spec/client.md, §17.4). */
export const IOBUF_CLASSES: readonly { readonly size: number; readonly count: number }[] = [
  { size: 128, count: 1024 }, { size: 512, count: 512 }, { size: 2 << 10, count: 512 }, { size: 8 << 10, count: 128 },
  { size: 32 << 10, count: 64 }, { size: 128 << 10, count: 32 }, { size: 256 << 10, count: 8 }, { size: 1 << 20, count: 2 },
];

/** Bytes of idle arenas that a size class keeps for the next burst: to make one costs page faults, and a collection of the old one. */
export const SPARE_BYTES_MAX = 16 << 20;

/** Where arenas come from: page-aligned memory of the addon, or plain ArrayBuffers. The size of their pages is 0 for memory that isn't pooled. */
export type ArenaSource = (bytes: number, pageSize: number) => ArrayBuffer;

/** Gives the pages of an arena back to the kernel; the arena stays, and holds zeros. */
export type PageDropper = (memory: ArrayBuffer) => void;

/** Hears of an arena whose pages will not be handed out any more. */
export type ArenaEnd = (memory: ArrayBuffer) => void;

interface Arena {
  readonly class: SizeClass;
  readonly memory: ArrayBuffer;
  readonly free: Page[];
  out: number;
  /** Its pages are not handed out again. */
  retired: boolean;
}

class Page implements Iobuf {
  readonly memory: Uint8Array;
  readonly #arena: Arena;
  readonly #pool: ArenaIobufPool;
  refs = 0;

  constructor(memory: Uint8Array, arena: Arena, pool: ArenaIobufPool) {
    this.memory = memory;
    this.#arena = arena;
    this.#pool = pool;
  }

  ref(): void {
    if (this.refs <= 0) throw new Error('a free iobuf was referenced');
    this.refs++;
  }

  unref(): void {
    if (this.refs <= 0) throw new Error('an iobuf was released twice');
    if (--this.refs === 0) this.#pool.release(this, this.#arena);
  }

  retire(): void {
    this.#pool.retire(this.#arena);
  }
}

class SizeClass {
  readonly size: number;
  readonly count: number;
  readonly arenas = new Set<Arena>();
  /** Arenas that have a free page; the last one is used first. */
  readonly open: Arena[] = [];
  /** Arenas that have no page out. */
  idle = 0;
  hits = 0;
  out = 0;
  outMax = 0;

  constructor(size: number, count: number) {
    this.size = size;
    this.count = count;
  }
}

/**
 * Reference-counted pages out of arenas, one free list an arena. Of a class's idle arenas one stays, and more of them up to
 * {@link SPARE_BYTES_MAX} until the next {@link trim}.
 */
export class ArenaIobufPool implements IobufPool {
  readonly #source: ArenaSource;
  readonly #drop: PageDropper | undefined;
  readonly #ended: ArenaEnd;
  readonly #classes = IOBUF_CLASSES.map(({ size, count }) => new SizeClass(size, count));
  active = 0;
  /** Requests over the largest class: plain memory, for which nothing is pooled. */
  misses = 0;

  constructor(source: ArenaSource = (bytes) => new ArrayBuffer(bytes), drop?: PageDropper, ended: ArenaEnd = () => undefined) {
    this.#source = source;
    this.#drop = drop;
    this.#ended = ended;
  }

  get(size: number): Iobuf {
    for (const sizeClass of this.#classes) if (sizeClass.size >= size) return this.#take(sizeClass);
    this.misses++;
    return this.#plain(size);
  }

  /** For statedumps. */
  stats(): { size: number; arenas: number; pages: number; active: number; activeMax: number; hits: number }[] {
    return this.#classes.map((c) => ({ size: c.size, arenas: c.arenas.size, pages: c.arenas.size * c.count, active: c.out, activeMax: c.outMax, hits: c.hits }));
  }

  release(page: Page, arena: Arena): void {
    this.active--;
    arena.out--;
    arena.class.out--;
    if (arena.retired) {
      if (arena.out === 0) this.#ended(arena.memory);
      return;
    }
    arena.free.push(page);
    const { open, arenas } = arena.class;
    if (arena.free.length === 1) open.push(arena);
    if (arena.out > 0) return;
    const { size, count, idle } = arena.class;
    if (idle > 0 && (idle + 1) * size * count > SPARE_BYTES_MAX) {
      arenas.delete(arena);
      open.splice(open.indexOf(arena), 1);
      this.#ended(arena.memory);
    } else arena.class.idle++;
  }

  /** No page of this arena is handed out again; it goes with the last of those that are out. */
  retire(arena: Arena): void {
    if (arena.retired) return;
    arena.retired = true;
    const { arenas, open } = arena.class;
    arenas.delete(arena);
    if (arena.free.length > 0) open.splice(open.indexOf(arena), 1);
    if (arena.out > 0) return;
    arena.class.idle--;
    this.#ended(arena.memory);
  }

  /** Retires all arenas whose pages have at least so many bytes: the source makes others now. */
  renew(pageSizeMin: number): void {
    for (const sizeClass of this.#classes) if (sizeClass.size >= pageSizeMin) for (const arena of sizeClass.arenas) this.retire(arena);
  }

  trim(): void {
    for (const sizeClass of this.#classes) {
      const idle = sizeClass.open.filter(({ out }) => out === 0);
      const kept = sizeClass.arenas.size > idle.length ? 0 : 1;
      for (const { memory } of idle.slice(0, kept)) this.#drop?.(memory);
      for (const arena of idle.slice(kept)) {
        sizeClass.arenas.delete(arena);
        sizeClass.open.splice(sizeClass.open.indexOf(arena), 1);
        sizeClass.idle--;
        this.#ended(arena.memory);
      }
    }
  }

  #take(sizeClass: SizeClass): Iobuf {
    sizeClass.hits++;
    if (++sizeClass.out > sizeClass.outMax) sizeClass.outMax = sizeClass.out;
    let arena = sizeClass.open.at(-1);
    if (!arena) {
      arena = this.#newArena(sizeClass);
      sizeClass.open.push(arena);
      sizeClass.idle++;
    }
    const page = arena.free.pop();
    if (!page) throw new Error('an open arena has no page');
    if (arena.free.length === 0) sizeClass.open.pop();
    if (arena.out++ === 0) sizeClass.idle--;
    this.active++;
    page.refs = 1;
    return page;
  }

  #newArena(sizeClass: SizeClass): Arena {
    const memory = this.#source(sizeClass.size * sizeClass.count, sizeClass.size);
    const arena: Arena = { class: sizeClass, memory, free: [], out: 0, retired: false };
    for (let i = sizeClass.count - 1; i >= 0; i--) arena.free.push(new Page(new Uint8Array(memory, i * sizeClass.size, sizeClass.size), arena, this));
    sizeClass.arenas.add(arena);
    return arena;
  }

  #plain(size: number): Iobuf {
    const pool = this;
    let refs = 1;
    this.active++;
    return {
      memory: new Uint8Array(this.#source(size, 0)),
      ref: () => {
        if (refs <= 0) throw new Error('a free iobuf was referenced');
        refs++;
      },
      unref: () => {
        if (refs <= 0) throw new Error('an iobuf was released twice');
        if (--refs === 0) pool.active--;
      },
    };
  }
}
