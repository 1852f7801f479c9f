/**
 * The core of glusterts: xlators and the graphs they form, volfiles, dict, inode and fd tables, iobufs, frames,
 * the platform seam and its native addon.
 *
 * @packageDocumentation
 */
export * from './address-network.js';
export * from './bytes.js';
export * from './call-pool.js';
export * from './ctx-slot.js';
export * from './d-off.js';
export * from './dict.js';
export * from './dict-legacy.js';
export { readTypedDict, writeTypedDict } from './dict-typed.js';
export * from './errno.js';
export * from './events.js';
export * from './fd.js';
export * from './fop-error.js';
export * from './fops.js';
export * from './frame.js';
export * from './gfid.js';
export * from './iatt.js';
export * from './iatt-wire.js';
export * from './inode.js';
export * from './inode-table.js';
export * from './iobuf.js';
export * from './fop-numbers.js';
export * from './latency.js';
export * from './memory-usage.js';
export * from './loc.js';
export * from './lock.js';
export * from './log-repeats.js';
export * from './logging.js';
export * from './mem-pool.js';
export * from './option-spec.js';
export * from './options.js';
export * from './wire-cursor.js';
export * from './xlator.js';
export * from './graph.js';
export * from './graph-binding.js';
export * from './iobuf-pool.js';
export * from './loader.js';
export * from './logging-gluster.js';
export { dmHash } from './dm-hash.js';
export * from './fnmatch.js';
export * from './option-parser.js';
export * from './pass-through.js';
export * from './volfile.js';
export { fuzzVolfile } from './fuzz-volfile.js';
export * from './platform/host-name.js';
export * from './platform/mallinfo.js';
export * from './platform/native.js';
export { type NativeEventPool, type NativeEventPoolConstructor, NativeNetwork } from './platform/native-network.js';
export { CHUNK_SIZE, type ReedSolomon } from './reed-solomon/codec.js';
export { reedSolomon, reedSolomons } from './reed-solomon/native-codec.js';
export { portableReedSolomon } from './reed-solomon/portable-codec.js';
export * from './platform/real.js';
export * from './platform/fuse-device.js';
export * from './platform/memory-network.js';
export * from './platform/network.js';
export * from './platform/platform.js';
export * from './platform/portable-network.js';
export { RECORD_SIZE_LIMIT, RecordFramer, RecordMarkError } from './platform/record-framer.js';
export * from './platform/storage.js';
export * from './platform/local-storage.js';
export * from './sync/sync-env.js';
export * from './sync/sync-lock.js';
export * from './sync/wait-queue.js';
export * from './upcall.js';
