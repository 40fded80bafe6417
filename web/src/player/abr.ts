/** Which rendition to play by LL-HLS. Pure. */

/** A rendition as the multivariant playlist names it. */
export interface Rung {
  /** Peak bit/s. */
  bandwidth: number;
  /** Pixels; 0 while unknown. */
  height: number;
}

/** What the choice follows from. */
export interface AbrInput {
  /** ms of one clock. */
  now: number;
  /** The index of the rung that plays. */
  current: number;
  /** The measured throughput in bit/s; undefined while unknown. */
  estimate: number | undefined;
  /** Media ahead of the playhead, in seconds. */
  buffer: number;
  /** Lines of the screen that the picture fills; more need not be loaded. */
  lines: number;
}

/** The throughput that is assumed before any was measured, in bit/s. */
const FIRST_GUESS = 6_000_000;
/** Of the throughput, what a rung may take to be kept, and to be stepped up to. */
const KEEP = 0.9;
const STEP_UP = 0.7;
/** How long a change rests, in ms: doubled when a step up did not hold, up to the most. */
const REST = 4000;
const REST_MOST = 60_000;
/** A step up that has held for this long, in ms, was right. */
const HELD = 20_000;
/** With less ahead, in seconds, nothing is stepped up. */
const LEAST_BUFFER = 0.3;
/** A stall with so many times the throughput that the rung needs has another cause. */
const AMPLE = 2;

/**
 * Steps down at once when the rung does not fit or has stalled for want of
 * bandwidth, and up one rung after a rest.
 */
export class AbrController {
  #changed = Number.NEGATIVE_INFINITY;
  /** When the step up was made that is on trial. */
  #wentUp: number | undefined;
  #rest = REST;
  #stalled = false;
  #fresh: "known" | "unknown" | undefined;

  /** Tells of a stall. */
  stalled(): void {
    this.#stalled = true;
  }

  /**
   * Tells that other rungs are offered: the next step may be as far as the
   * first choice would go. While the highest of the old ones played, nothing
   * has shown what the network can carry.
   */
  offered(highest: boolean): void {
    this.#fresh = highest ? "unknown" : "known";
  }

  /** The index to play next; `rungs` are ordered from the lowest bandwidth. */
  choose(rungs: readonly Rung[], input: AbrInput): number {
    const { now, estimate } = input;
    const current = Math.min(Math.max(0, input.current), rungs.length - 1);
    const rung = rungs[current];
    const stalled = this.#stalled;
    this.#stalled = false;
    if (this.#fresh && input.buffer >= LEAST_BUFFER) {
      const first = firstRung(rungs, this.#fresh === "known" ? estimate : undefined, input.lines);
      this.#fresh = undefined;
      if (first > current) return this.#up(now, first);
    }
    if (!rung || estimate === undefined) return current;
    const starved = stalled && estimate < rung.bandwidth * AMPLE;
    if (current > 0 && (starved || estimate * KEEP < rung.bandwidth)) {
      return this.#down(now, Math.min(current - 1, fitting(rungs, estimate * KEEP)));
    }
    if (this.#wentUp !== undefined && now - this.#wentUp > HELD) {
      this.#wentUp = undefined;
      this.#rest = REST;
    }
    const next = rungs[current + 1];
    const wanted = next && (rung.height === 0 || rung.height < input.lines);
    if (!next || !wanted || now - this.#changed < this.#rest || input.buffer < LEAST_BUFFER) return current;
    if (estimate * STEP_UP < next.bandwidth) return current;
    return this.#up(now, current + 1);
  }

  #up(now: number, index: number): number {
    this.#changed = now;
    this.#wentUp = now;
    return index;
  }

  #down(now: number, index: number): number {
    const failed = this.#wentUp !== undefined && now - this.#wentUp <= HELD;
    if (failed) this.#rest = Math.min(REST_MOST, this.#rest * 2);
    this.#wentUp = undefined;
    this.#changed = now;
    return index;
  }
}

/** The highest rung that takes no more than `bits` bit/s; the lowest when none does. */
export function fitting(rungs: readonly Rung[], bits: number): number {
  let index = 0;
  rungs.forEach((rung, i) => {
    if (rung.bandwidth <= bits) index = Math.max(index, i);
  });
  return index;
}

/** The rung to begin with, from what is known of the network, in bit/s, and of the screen. */
export function firstRung(rungs: readonly Rung[], bits: number | undefined, lines: number): number {
  const seen = rungs.findIndex((rung) => rung.height >= lines);
  const most = seen < 0 ? rungs.length - 1 : seen;
  return Math.min(most, fitting(rungs, (bits ?? FIRST_GUESS) * STEP_UP));
}

/** Bytes of a piece that come with its first packet and so take no time of their own. */
const FIRST_PACKET = 1400;
/** How long a piece counts, in ms, and of how many bytes an estimate is made. */
const METER_MEMORY = 6000;
const METER_BYTES = 20_000;

/**
 * Measures throughput while pieces come in small and at the pace of live: only
 * the time from the first byte to the last counts, so that neither the wait
 * for a part nor the round trip is taken for want of bandwidth.
 */
export class ThroughputMeter {
  #pieces: { at: number; bytes: number; ms: number }[] = [];

  /** A piece has come: its size, and the time from its first byte to its last in ms. */
  note(now: number, bytes: number, ms: number): void {
    this.#pieces = this.#pieces.filter((p) => now - p.at < METER_MEMORY);
    this.#pieces.push({ at: now, bytes: Math.max(0, bytes - FIRST_PACKET), ms: Math.max(1, ms) });
  }

  /** bit/s; undefined while too little has come to tell. */
  estimate(now: number): number | undefined {
    let bytes = 0;
    let ms = 0;
    for (const p of this.#pieces) {
      if (now - p.at >= METER_MEMORY) continue;
      bytes += p.bytes;
      ms += p.ms;
    }
    return bytes < METER_BYTES ? undefined : (bytes * 8000) / ms;
  }
}
