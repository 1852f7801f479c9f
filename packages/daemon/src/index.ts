/**
 * What glusterfs, glusterfsd and glusterd share: arguments, log and pid files, daemonising, volfiles, signals, statedumps.
 *
 * @packageDocumentation
 */
export * from './arguments.js';
export * from './brick-operations.js';
export * from './daemonise.js';
export * from './glusterfs-process.js';
export * from './engine.js';
export * from './idle-memory.js';
export * from './log-file.js';
export * from './main-program.js';
export * from './paths.js';
export * from './pid-file.js';
export * from './process-name.js';
export * from './statedump.js';
export * from './statedump-sections.js';
export * from './usage-text.js';
export * from './volfile-server.js';
export * from './rehearsal/client-stage.js';
export * from './rehearsal/rehearsal.js';
export * from './rehearsal/pace.js';
export { PrivateWorld } from './rehearsal/private-world.js';
export * from './rehearsal/brick-stage.js';
export * from './rehearsal/brick-play.js';
