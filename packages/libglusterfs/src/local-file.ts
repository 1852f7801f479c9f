/** How a {@link LocalFile} is told of on the wire. */
export const LocalFileFlag = { IN_MEMORY: 1, HAS_MDATA: 2 } as const;

/** A brick's file, for a client on the same machine (docs/rpc.md, "The local path"). */
export interface LocalFile {
  /** Open for reading. Whoever gets it closes it. */
  readonly descriptor: number;
  /** It lies on a file system that is nowhere but in memory: no read of it waits. */
  readonly inMemory: boolean;
  /** Its times are those of `trusted.glusterfs.mdata`, where it has that. */
  readonly hasMdata: boolean;
}
