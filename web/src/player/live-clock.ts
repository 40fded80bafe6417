/** How far a picture is behind live, though the viewer's clock may be wrong. Pure. */

/** The way from capture to here, in ms, that is believed; beside it the clocks differ. */
const LEAST_WAY = 0;
const MOST_WAY = 400;
/** The way that is assumed when the clocks differ, in ms. */
const USUAL_WAY = 100;
/** How long an observation counts, in ms. */
const MEMORY = 30_000;

/**
 * Compares when the end of the media was captured, by the publisher's clock,
 * with when we heard of it, by our own. The shortest such way tells what the
 * clocks differ by; what comes on top of it is delay.
 */
export class LiveClock {
  #ways: { at: number; way: number }[] = [];

  /** The playlist that came at `now` ends with media captured at `edge`; both in ms since 1970. */
  heard(now: number, edge: number): void {
    const way = now - edge;
    // Only ways shorter than all later ones can ever be the shortest.
    this.#ways = this.#ways.filter((w) => w.way < way && now - w.at < MEMORY);
    this.#ways.push({ at: now, way });
  }

  /** What to take off our clock to get the publisher's, in ms. */
  get skew(): number {
    const way = this.#ways[0]?.way;
    if (way === undefined || (way >= LEAST_WAY && way <= MOST_WAY)) return 0;
    return way - USUAL_WAY;
  }

  /** How far what was captured at `capture` lies behind live, in seconds. */
  behind(now: number, capture: number): number {
    return (now - this.skew - capture) / 1000;
  }
}
