import { closeSync } from 'node:fs';
import { loadNative } from './native.js';

interface SharingAddon {
  shareArena(size: number): { memory: ArrayBuffer; descriptor: number } | undefined;
  borrowArena(descriptor: number, size: number): ArrayBuffer | number;
}

/** Payload memory that other processes can map: an arena of iobufs over a sealed memfd (docs/rpc.md, "Payload in shared memory"). */
export class SharedArena {
  /** For who shall map it; −1 once it is gone. */
  descriptor: number;
  readonly size: number;
  readonly #watchers = new Set<(arena: SharedArena) => void>();

  constructor(descriptor: number, size: number) {
    this.descriptor = descriptor;
    this.size = size;
  }

  /** Hears when no page of it will be handed out any more. */
  watch(gone: (arena: SharedArena) => void): void {
    this.#watchers.add(gone);
  }

  unwatch(gone: (arena: SharedArena) => void): void {
    this.#watchers.delete(gone);
  }

  /** The pool has given it up. */
  release(): void {
    if (this.descriptor < 0) return;
    closeSync(this.descriptor);
    this.descriptor = -1;
    for (const gone of this.#watchers) gone(this);
    this.#watchers.clear();
  }
}

const arenas = new WeakMap<ArrayBufferLike, SharedArena>();
const addon = loadNative<SharingAddon>('shareArena');

/** Whether processes can share memory here. */
export const canShareMemory = addon !== undefined;

/** New memory that can be shared; undefined when there is none. */
export function shareArena(size: number): ArrayBuffer | undefined {
  const shared = addon?.shareArena(size);
  if (!shared) return undefined;
  arenas.set(shared.memory, new SharedArena(shared.descriptor, size));
  return shared.memory;
}

/** What lies in this memory can be read by others; undefined if not. */
export function sharedArenaOf(memory: ArrayBufferLike): SharedArena | undefined {
  return arenas.get(memory);
}

/** Another process's memory, for reading; the descriptor is closed. Undefined when it isn't a {@link SharedArena}'s of at least this size. */
export function borrowArena(descriptor: number, size: number): ArrayBuffer | undefined {
  const memory = addon?.borrowArena(descriptor, size);
  return typeof memory === 'number' ? undefined : memory;
}
