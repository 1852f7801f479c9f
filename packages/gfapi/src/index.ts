/**
 * A Gluster volume from a Node program, with the functions of node:fs/promises. No mount, no daemon, and, if there is no
 * compiler, no native code either.
 *
 * ```ts
 * import { Volume } from '@glusterts/gfapi';
 *
 * const volume = await Volume.connect('server', 'vol');
 * await volume.mkdir('/a/b', { recursive: true });
 * await volume.writeFile('/a/b/hello.txt', 'hello');
 * for await (const entry of await volume.opendir('/a/b')) console.log(entry.name);
 * await volume.close();
 * ```
 *
 * @packageDocumentation
 */
export type { ConnectOptions, GraphOptions } from './connect.js';
export { Dir } from './directory.js';
export { File, type LockHolder, type LockRange } from './file.js';
export { GfapiError, type PathLike } from './gfapi-error.js';
export type { OpenFlags } from './open-flags.js';
export { Dirent, type StatFs, Stats } from './stats.js';
export type { ReadStreamOptions, WriteStreamOptions } from './streams.js';
export type { TimeLike } from './times.js';
export type { VolfileServer } from './volfile-fetch.js';
export { type FileOptions, Volume } from './volume.js';
