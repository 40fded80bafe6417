/** How fast to play so that the distance to live stays small. Pure. */

/** What the controller decides on, each time the player looks. */
export interface RateInput {
  /** ms of one clock. */
  now: number;
  /** How far the picture is behind live, in seconds. */
  behind: number;
  /** Media ahead of the playhead, in seconds. */
  buffer: number;
}

/** The distance to live that is aimed at, in seconds; lower ones stalled in measurements. */
export const LIVE_TARGET = 0.7;

const SLOWEST = 0.94;
const FASTEST = 1.15;
/** Within this of the target nothing is done, in seconds. */
const TOLERANCE = 0.03;
/** Rate per second of distance. */
const GAIN = 0.5;
/** With less ahead than this, in seconds, playing faster would stall. */
const LEAST_BUFFER = 0.22;
/** After a stall nothing is played until there is so much again, in seconds, or for so long, in ms. */
const REFILL = 0.4;
const REFILL_MOST = 1000;
/** What a stall adds to the target, in seconds, at most how much, and how long each lasts in ms. */
const STALL_STEP = 0.1;
const STALL_MOST = 1;
const STALL_MEMORY = 30_000;

/**
 * Keeps the distance to live at a target by the playback rate. Each stall
 * moves the target away from live; without further stalls it comes back.
 */
export class RateController {
  #extra = 0;
  #since = 0;
  /** When something came in after a stall, in ms; Infinity before; undefined when all is well. */
  #refilling: number | undefined;

  constructor(readonly base = LIVE_TARGET) {}

  /** Tells of a stall. */
  stalled(now: number): void {
    this.#decay(now);
    this.#extra = Math.min(STALL_MOST, this.#extra + STALL_STEP);
    this.#since = now;
    this.#refilling = Number.POSITIVE_INFINITY;
  }

  /** The distance aimed at, in seconds. */
  target(now: number): number {
    this.#decay(now);
    return this.base + this.#extra;
  }

  /** The playback rate for the moment. */
  rate(input: RateInput): number {
    const error = input.behind - this.target(input.now);
    if (!Number.isFinite(error)) return 1;
    if (this.#refills(input)) return 0;
    // Next to nothing left: slower until more has come, wherever we are.
    if (input.buffer < LEAST_BUFFER / 2) return SLOWEST;
    if (Math.abs(error) <= TOLERANCE) return 1;
    // In steps, so that the sound's stretching is not set anew ten times a second.
    const wanted = Math.round((1 + GAIN * error) * 50) / 50;
    if (wanted > 1 && input.buffer <= LEAST_BUFFER) return 1;
    return Math.min(FASTEST, Math.max(SLOWEST, wanted));
  }

  /** One pause is better than the many that playing each bit as it comes would make. */
  #refills({ now, buffer }: RateInput): boolean {
    if (this.#refilling === undefined) return false;
    if (buffer > TOLERANCE) this.#refilling = Math.min(this.#refilling, now);
    if (buffer >= REFILL || now - this.#refilling > REFILL_MOST) this.#refilling = undefined;
    return this.#refilling !== undefined;
  }

  #decay(now: number): void {
    while (this.#extra > 0 && now - this.#since >= STALL_MEMORY) {
      this.#extra = Math.max(0, Math.round((this.#extra - STALL_STEP) * 10) / 10);
      this.#since += STALL_MEMORY;
    }
  }
}
