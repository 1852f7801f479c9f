import { LogLevel, type Logger, type Platform, type Timer, createMemoryNetwork, createPortableNetwork } from '@glusterts/libglusterfs';

/** Real time and timers, for tests; the network is given. */
export function testPlatform(network?: Platform['network']): Pick<Platform, 'network' | 'timers' | 'clock'> {
  const timers: Platform['timers'] = {
    after(delayMs, fire, options) {
      const handle = setTimeout(fire, delayMs);
      if (options?.background) handle.unref();
      return { cancel: () => (clearTimeout(handle), true) } satisfies Timer;
    },
    soon: (task) => void setImmediate(task),
  };
  return {
    network: network ?? createMemoryNetwork(timers),
    timers,
    clock: {
      wall: () => Date.now(),
      realtime: () => ({ sec: Math.floor(Date.now() / 1000), nsec: 0 }),
      monotonic: () => performance.now(),
    },
  };
}

export function portablePlatform(): Pick<Platform, 'network' | 'timers' | 'clock'> {
  return testPlatform(createPortableNetwork());
}

/** Keeps what is logged. */
export class ListLogger implements Logger {
  readonly level = LogLevel.INFO;
  readonly lines: string[] = [];

  log(_level: LogLevel, _msgid: number, text: string): void {
    this.lines.push(text);
  }

  error(msgid: number, text: string): void {
    this.log(LogLevel.ERROR, msgid, text);
  }

  warning(msgid: number, text: string): void {
    this.log(LogLevel.WARNING, msgid, text);
  }

  info(msgid: number, text: string): void {
    this.log(LogLevel.INFO, msgid, text);
  }

  debug(): void {}

  domain(): Logger {
    return this;
  }
}
