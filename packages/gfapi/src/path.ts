import { type Bytes, Errno, FopError, fromBuffer, utf8 } from '@glusterts/libglusterfs';
import type { PathLike } from './gfapi-error.js';

const PATH_MAX = 4096;

/** A path's bytes: a string is UTF-8, a Buffer is taken as it is. Throws ENOENT, EINVAL or ENAMETOOLONG as the kernel would. */
export function pathBytes(path: PathLike): Bytes {
  const bytes = typeof path === 'string' ? utf8(path) : fromBuffer(path);
  if (bytes.length === 0) throw new FopError(Errno.ENOENT);
  if (bytes.includes('\0')) throw new FopError(Errno.EINVAL);
  if (bytes.length >= PATH_MAX) throw new FopError(Errno.ENAMETOOLONG);
  return bytes;
}

/** The names on a path, without empty ones and `.`. */
export function components(path: Bytes): Bytes[] {
  return path.split('/').filter((name) => name !== '' && name !== '.') as Bytes[];
}

/** A path that says "directory": it ends in a slash. */
export function endsInSlash(path: Bytes): boolean {
  return path.endsWith('/') || path.endsWith('/.');
}

/** Names of xattrs and targets of links: text, or bytes. */
export function nameBytes(name: PathLike): Bytes {
  const bytes = typeof name === 'string' ? utf8(name) : fromBuffer(name);
  if (bytes.length === 0 || bytes.includes('\0')) throw new FopError(Errno.EINVAL);
  return bytes;
}

/** Joins a directory's path and a name, both as bytes. */
export function joinBytes(directory: Bytes, name: Bytes): Buffer {
  return Buffer.from(directory.endsWith('/') ? directory + name : `${directory}/${name}`, 'latin1');
}
