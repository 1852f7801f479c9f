/**
 * mount/fuse: the kernel's requests to fops. See docs/fuse.md.
 *
 * @packageDocumentation
 */
export type { MountGraph } from './active-graph.js';
export { type FuseBody, type FuseHeader, FuseProtocolError, type FuseRequest, decodeRequest } from './decode.js';
export { fuzzRequest } from './fuzz.js';
export { type FuseMountInit, FuseMount, type MountEnd } from './fuse-mount.js';
export { type DirectIoMode, type FuseOptions, type FuseOptionsInit, fuseOptions } from './options.js';
export { rehearseMount, type MountRehearsal } from './rehearsal/rehearse-mount.js';
export { mountCall, mountData } from './mount-point.js';
