import { ArenaIobufPool, type NativeEventPoolConstructor, NativeNetwork, type Platform, createPlatform, createPortableNetwork, loadNative, shareArena } from '@glusterts/libglusterfs';

/** Time in JavaScript between the addon's entries into it and their ends, without the calls of the addon made there. */
export interface ScriptClock {
  ms: number;
}

/**
 * This platform with a native network whose JavaScript is clocked; undefined without the addon. V8's sampling profiler can't tell it: on a
 * machine of few cores its signals arrive mostly at system calls.
 */
export function clockedPlatform(): { platform: Platform; clock: ScriptClock } | undefined {
  const addon = loadNative<{ EventPool: NativeEventPoolConstructor }>('EventPool');
  if (!addon) return undefined;
  const clock = { ms: 0 };
  /** Since when JavaScript has been running; NaN outside of a batch. */
  let since = NaN;
  const outside = <Arguments extends unknown[], Result>(call: (...args: Arguments) => Result): ((...args: Arguments) => Result) => (...args) => {
    if (Number.isNaN(since)) return call(...args);
    clock.ms += performance.now() - since;
    const result = call(...args);
    since = performance.now();
    return result;
  };
  class Clocked extends addon.EventPool {
    constructor(...[onBatch, afterBatch, allocPage, pageIndex]: ConstructorParameters<NativeEventPoolConstructor>) {
      super(
        (...batch) => {
          // The promise reactions of the batch run between its end and afterBatch.
          since = performance.now();
          onBatch(...batch);
        },
        () => {
          afterBatch();
          clock.ms += performance.now() - since;
          since = NaN;
        },
        (size) => {
          const begin = performance.now();
          const page = allocPage(size);
          clock.ms += performance.now() - begin;
          return page;
        },
        pageIndex,
      );
    }

    override writev = outside(super.writev.bind(this));
    override noteRead = outside(super.noteRead.bind(this));
  }
  const real = createPlatform();
  // As in a mount that lends its payloads.
  const iobufs = new ArenaIobufPool((bytes) => shareArena(bytes) ?? new ArrayBuffer(bytes));
  return { platform: { ...real, iobufs, network: new NativeNetwork(Clocked, iobufs, createPortableNetwork()) }, clock };
}
