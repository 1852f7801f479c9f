/** The files of the working directory; the real ones are in `platform/`. Paths are absolute, text is latin-1. */
export interface StoreFiles {
  /** Text of a file; undefined when it is absent. */
  read(path: string): string | undefined;
  /** Writes `PATH.tmp`, mode 0600, and fsyncs it. */
  writeTemporary(path: string, text: string): void;
  /** Renames `PATH.tmp` over the file, and fsyncs the directory. */
  commitTemporary(path: string): void;
  /** Unlinks `PATH.tmp`, if it is there. */
  dropTemporary(path: string): void;
  /** Rewrites a file in place. */
  overwrite(path: string, text: string): void;
  /** Makes a directory and its missing parents, mode 0755. */
  makeDirectory(path: string): void;
  /** Names in a directory, sorted bytewise; empty when it is absent. */
  list(path: string): string[];
  isDirectory(path: string): boolean;
  remove(path: string): void;
  removeTree(path: string): void;
  rename(from: string, to: string): void;
}
