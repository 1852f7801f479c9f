/**
 * The management daemon: store, volgen, portmap, GETSPEC, brick processes, the CLI’s program.
 *
 * @packageDocumentation
 */
export * from './volume.js';
export { VolumeStore } from './store/volume-store.js';
export { NodeStore, MAX_OP_VERSION } from './store/node-store.js';
export { StoreError } from './store/key-values.js';
export type { StoreFiles } from './store/store-files.js';
export { volumeVolfiles } from './volgen/volume-volfiles.js';
export { VolgenError, type VolgenContext } from './volgen/cluster.js';
export { localStoreFiles } from './platform/local-store-files.js';
export { Glusterd } from './glusterd.js';
export { ConfigError, GLUSTERD_PORT, type GlusterdConfig, readConfig } from './config.js';
export { type RunningGlusterd, startGlusterd } from './run.js';
export type { System } from './platform/system.js';
export { localSystem } from './platform/local-system.js';
