import { probe } from "./probe.ts";
import { LEAST_WINDOW } from "./window.ts";

/** How long what is known counts, in ms, also while it is too little to be of use. */
const AGE = 15_000;
const SHORT_AGE = 3000;

/** Knows how far back one can go while LL-HLS does not play, and so does not tell. */
export class Reach {
  /** Seconds; 0 while unknown. */
  seconds = 0;
  #at = Number.NEGATIVE_INFINITY;

  /** Looks into the playlist, unless that was done a moment ago. The result tells whether it was. */
  async look(url: string, token: string | undefined, signal: AbortSignal): Promise<boolean> {
    const now = performance.now();
    if (now - this.#at < (this.seconds < LEAST_WINDOW ? SHORT_AGE : AGE)) return false;
    this.#at = now;
    const found = await probe(url, token, signal).catch(() => undefined);
    this.seconds = found?.seconds ?? 0;
    return true;
  }
}
