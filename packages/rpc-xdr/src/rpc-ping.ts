import type { Platform, Timer } from '@glusterts/libglusterfs';

interface PingHooks {
  /** Calls that wait for replies. */
  outstanding(): number;
  send(): void;
  /** The server is dead. */
  expired(): void;
}

type State = 'idle' | 'waiting for the reply' | 'waiting to send the next';

/** The ping cycle of one connection (spec/rpc-wire.md, §14.1). */
export class PingCycle {
  readonly #platform: Pick<Platform, 'timers' | 'clock'>;
  #timeoutMs: number;
  readonly #hooks: PingHooks;
  #state: State = 'idle';
  #timer: Timer | undefined;
  #lastTraffic = 0;

  constructor(platform: Pick<Platform, 'timers' | 'clock'>, timeoutMs: number, hooks: PingHooks) {
    this.#platform = platform;
    this.#timeoutMs = timeoutMs;
    this.#hooks = hooks;
  }

  /** A new T; 0: no more pings. Who waits for a reply goes on to wait as long as before. */
  set timeoutMs(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    if (timeoutMs === 0) this.stop();
    else if (this.#state === 'waiting to send the next') this.#arm();
  }

  /** A call was sent. The first on an idle connection starts the cycle. */
  onSend(): void {
    this.#lastTraffic = this.#platform.clock.monotonic();
    if (this.#state === 'idle' && this.#timeoutMs > 0) this.#send();
  }

  onReceive(): void {
    this.#lastTraffic = this.#platform.clock.monotonic();
  }

  /** The PING was answered. */
  onReply(): void {
    if (this.#state !== 'waiting for the reply') return;
    this.#state = 'waiting to send the next';
    this.#arm();
  }

  /** The connection is gone. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#state = 'idle';
  }

  #send(): void {
    // First, because sending is itself a call and comes back here.
    this.#state = 'waiting for the reply';
    this.#arm();
    this.#hooks.send();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = this.#platform.timers.after(this.#timeoutMs, () => this.#fire(), { background: true });
  }

  #fire(): void {
    this.#timer = undefined;
    if (this.#state === 'waiting to send the next') {
      if (this.#hooks.outstanding() === 0) this.#state = 'idle';
      else this.#send();
      return;
    }
    // Bytes in either direction count as life: a busy server answers late.
    if (this.#platform.clock.monotonic() - this.#lastTraffic < this.#timeoutMs) this.#arm();
    else this.#hooks.expired();
  }
}
