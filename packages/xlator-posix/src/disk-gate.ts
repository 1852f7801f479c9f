import { Errno, FopError, type Logger, type Platform, type Storage } from '@glusterts/libglusterfs';

/** For so long after a change that came back another one is made at once. */
const PROOF_MS = 10;
/** The same while the disk is known to be slow at times. */
const PROOF_SLOW_MS = 2;
/** While changes are made at once, a probe goes along with them so often. */
const PROBE_INTERVAL_MS = 100;
/** A probe that takes longer: the disk hangs. */
const HANG_MS = 50;
/** So many changes the pool takes from a brick without a proof. More would leave no threads, and no places in io-threads, for reads. */
const UNPROVEN_MAX = 4;
/** A hang of this length is told in the log. */
const TOLD_MS = 1000;
const WAITING_MAX = 16384;

/**
 * Keeps the loop out of a disk that hangs (docs/architecture.md, "Slow disks"). A change that is made at once, and doesn't come back, holds all
 * fops of the brick. So one is made only while the disk has proven that changes come back: by another one a few milliseconds ago,
 * or by a probe, a change without consequences, that a thread of the pool makes. Who comes when there is no proof waits for one.
 */
export class DiskGate {
  readonly #storage: Storage;
  readonly #platform: Platform;
  readonly #log: Logger;
  /** What probes change: the directory `.glusterfs`. */
  readonly #fd: number;
  /** On memory no change waits. */
  #always: boolean;
  #provenAt = -Infinity;
  #probedAt = -Infinity;
  #probe: Promise<void> | undefined;
  #waiting = 0;

  constructor({ platform, log, fd, always }: { platform: Platform; log: Logger; fd: number; always: boolean }) {
    this.#platform = platform;
    this.#storage = platform.storage;
    this.#log = log;
    this.#fd = fd;
    this.#always = always;
  }

  /** Whether a change may be made at once. Who asks makes one. */
  get open(): boolean {
    if (this.#always) return true;
    const now = this.#platform.clock.monotonic();
    if (now - this.#provenAt >= (this.#storage.slow ? PROOF_SLOW_MS : PROOF_MS)) return false;
    this.#watch(now);
    if (this.#probe && now - this.#probedAt >= HANG_MS) return false;
    // Who asks next does so after this change.
    this.#provenAt = now;
    return true;
  }

  /** It makes no probes any more, and stands open. */
  close(): void {
    this.#always = true;
  }

  /** The disk has proven itself; for those who make no change. */
  get lively(): boolean {
    return this.#always || this.#platform.clock.monotonic() - this.#provenAt < PROOF_MS;
  }

  /** Nothing when the pool may take one more change from those whose changes it makes, of which there are `count`; else what to wait for. */
  passToPool(count: number): Promise<void> | undefined {
    if (this.#always) return undefined;
    const now = this.#platform.clock.monotonic();
    this.#watch(now);
    const hangs = this.#probe !== undefined && now - this.#probedAt >= HANG_MS;
    return hangs || (count >= UNPROVEN_MAX && now - this.#provenAt >= PROOF_MS) ? this.proof() : undefined;
  }

  /** A change that the pool has made came back. */
  proven(): void {
    if (!this.#always) this.#provenAt = this.#platform.clock.monotonic();
  }

  /** Nothing when a change may be made at once; else what to wait for. Rejected with EAGAIN when too many wait. */
  pass(): Promise<void> | undefined {
    return this.open ? undefined : this.proof();
  }

  /** Settles once the disk has proven itself. */
  proof(): Promise<void> {
    if (this.#waiting >= WAITING_MAX) return Promise.reject(new FopError(Errno.EAGAIN));
    this.#waiting++;
    return (this.#probe ??= this.#start(this.#platform.clock.monotonic())).then(() => {
      this.#waiting--;
    });
  }

  #watch(now: number): void {
    if (!this.#probe && now - this.#probedAt >= PROBE_INTERVAL_MS) this.#probe = this.#start(now);
  }

  async #start(now: number): Promise<void> {
    this.#probedAt = now;
    // Whatever it answers, it has come back.
    await this.#storage.probe(this.#fd);
    this.#probe = undefined;
    this.#provenAt = this.#platform.clock.monotonic();
    const lasted = this.#provenAt - this.#probedAt;
    if (lasted >= TOLD_MS) this.#log.warning(113075, 'the disk did not answer', { ms: Math.round(lasted), waiting: this.#waiting });
  }
}
