import { type Clock, type Platform, createPlatform } from '@glusterts/libglusterfs';

/** A clock that stands until it is told to go on, so that no lock's time passes while the machine is slow. */
export class StandingClock {
  #passedMs = 0;
  readonly platform: Platform;

  constructor() {
    const platform = createPlatform();
    // Whole, so that a second and another are exactly two: fractions would be rounded.
    const start = Math.floor(platform.clock.monotonic());
    const clock: Clock = { wall: () => platform.clock.wall(), realtime: () => platform.clock.realtime(), monotonic: () => start + this.#passedMs };
    this.platform = { ...platform, clock };
  }

  pass(ms: number): void {
    this.#passedMs += ms;
  }
}
