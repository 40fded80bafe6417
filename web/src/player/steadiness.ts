/** Whether media comes without a break. Pure. */

/** A break longer than this, in ms, and what came before does not count. */
const BREAK = 1500;
/** How far back standing still counts, in ms. */
const MEMORY = 20_000;

/** Counters of one reading. */
export interface Progress {
  /** Frames decoded since the start. */
  frames: number;
  /** For how long the picture stood still, in ms since the start. */
  frozen: number;
}

/** Makes of successive readings since when media flows, and how well. */
export class Steadiness {
  #last: Progress | undefined;
  #lastFrame: number | undefined;
  #goodSince: number | undefined;
  #still: { at: number; ms: number }[] = [];

  /** A new start. */
  reset(): void {
    this.#last = undefined;
    this.#lastFrame = undefined;
    this.#goodSince = undefined;
    this.#still = [];
  }

  look(now: number, p: Progress): void {
    const last = this.#last;
    // Counters that go back belong to a new connection.
    const fresh = last === undefined || p.frames < last.frames;
    this.#last = p;
    if (fresh ? p.frames === 0 : p.frames === last.frames) return;
    if (this.#lastFrame === undefined || now - this.#lastFrame > BREAK) this.#goodSince = now;
    this.#lastFrame = now;
    const frozen = fresh ? 0 : p.frozen - last.frozen;
    if (frozen > 0) {
      this.#still.push({ at: now, ms: frozen });
      this.#goodSince = now;
    }
  }

  /** What is known at a time; see WhepFacts. */
  facts(now: number): { goodSince: number | undefined; lastFrame: number | undefined; frozen: number } {
    this.#still = this.#still.filter((s) => now - s.at < MEMORY);
    const flows = this.#lastFrame !== undefined && now - this.#lastFrame <= BREAK;
    return {
      goodSince: flows ? this.#goodSince : undefined,
      lastFrame: this.#lastFrame,
      frozen: this.#still.reduce((sum, s) => sum + s.ms, 0),
    };
  }
}
