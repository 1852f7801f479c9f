import { closeSync, constants, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StoreFiles } from '../store/store-files.js';

const isAbsent = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

/** The store on the local file system. */
export const localStoreFiles: StoreFiles = {
  read(path) {
    try {
      return readFileSync(path, 'latin1');
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  },
  writeTemporary(path, text) {
    const fd = openSync(`${path}.tmp`, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      writeSync(fd, text, 0, 'latin1');
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  commitTemporary(path) {
    renameSync(`${path}.tmp`, path);
    const fd = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  dropTemporary(path) {
    rmSync(`${path}.tmp`, { force: true });
  },
  overwrite(path, text) {
    writeFileSync(path, text, { encoding: 'latin1', mode: 0o600 });
  },
  makeDirectory(path) {
    mkdirSync(path, { recursive: true, mode: 0o755 });
  },
  list(path) {
    try {
      return readdirSync(path, 'latin1').sort();
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  },
  isDirectory(path) {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  },
  remove(path) {
    try {
      unlinkSync(path);
    } catch (error) {
      if (!isAbsent(error)) throw error;
    }
  },
  removeTree(path) {
    rmSync(path, { recursive: true, force: true });
  },
  rename(from, to) {
    renameSync(from, to);
  },
};
