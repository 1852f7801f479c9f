/** What glusterd needs of the machine beyond Platform: names, addresses, processes. The real one is `localSystem`. */
export interface System {
  readonly files: import('../store/store-files.js').StoreFiles;
  /** Whether a host name or address is this machine's. */
  isLocalHost(host: string): Promise<boolean>;
  /** Whether an address is one of this machine's. */
  isLocalAddress(address: string): boolean;
  /** Runs a command to its end; its exit status, 128 + signal when killed, 127 when it couldn't be started. */
  run(command: readonly string[], environment?: Readonly<Record<string, string>>): Promise<number>;
  /** Whether a process lives whose command line holds all these words. */
  isRunning(pid: number, words: readonly string[]): boolean;
  /** Sends a signal; false when there is no such process. */
  kill(pid: number, signal: 'SIGTERM' | 'SIGKILL' | 'SIGUSR1'): boolean;
  /** Executable files of a directory whose names begin with S, sorted. */
  hookScripts(directory: string): string[];
  /** The mount that holds a path: device, type and options, as /proc/mounts has them. */
  mountOf(path: string): { readonly device: string; readonly type: string; readonly options: string } | undefined;
  appendLine(path: string, line: string): void;
}
