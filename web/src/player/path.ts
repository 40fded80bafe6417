/** Which way to play: WHEP, a fraction of a second behind live, or LL-HLS, which gets through nearly everywhere. Pure. */

/** The two ways. */
export type Path = "whep" | "hls";

/** What the page allows: `auto` prefers WHEP and falls back. */
export type Mode = "auto" | Path;

/** What is known of the WHEP side. Times are ms of one clock. */
export interface WhepFacts {
  running: boolean;
  /** When it was started last. */
  since: number;
  /** The status of the last refusal; undefined after a success. */
  refused: number | undefined;
  /** The wait that the refusal asked for, in ms. */
  retryAfter: number | undefined;
  /** Trying again is no use. */
  failed: boolean;
  /** Whether the media path is up. */
  connected: boolean;
  /** The broadcaster is known to be away. */
  away: boolean;
  /** Since when frames come without a break; undefined while none do. */
  goodSince: number | undefined;
  /** When the last frame came, with this start. */
  lastFrame: number | undefined;
  /** For how long of the last 20 s the picture stood still, in ms. */
  frozen: number;
}

/** All that the choice follows from. */
export interface PathFacts {
  now: number;
  mode: Mode;
  /** The path that is seen. */
  shown: Path;
  whep: WhepFacts;
  hls: {
    /** There is an address, and this browser can play it. */
    possible: boolean;
    /** It has pictures to show. */
    ready: boolean;
    /** Nothing is to be had there: not live, ended, or refused. */
    empty: boolean;
  };
  /** The viewer has gone back in time, or has paused. */
  behind: boolean;
  /** The page is in the background, where nobody sees an improvement. */
  hidden: boolean;
}

/** What should run, and what should be seen as soon as it has pictures. */
export interface PathPlan {
  whep: boolean;
  hls: boolean;
  show: Path;
}

/** No media path this long after the start, in ms: LL-HLS gets ready. */
const NO_PATH = 1500;
/** Connected, but no frame for this long, in ms. */
const NO_FRAME = 3000;
/** The picture stands still for this long, in ms: the server has paused it, or nothing gets through. */
const STILL = 4000;
/** The same when the connection is known to be broken. */
const BROKEN = 2000;
/** So much standing still within 20 s, in ms, is a poor network. */
const FROZEN = 5000;
/** A trial must show frames without a break for this long, in ms; longer after a poor network. */
const GOOD = 2000;
const GOOD_AFTER_POOR = 5000;
/** How long a trial may take to show frames, in ms. */
const TRIAL = 9000;
/** The wait before the first trial, in ms; it doubles with each that fails. */
const FIRST_WAIT = 10_000;
const MOST_WAIT = 300_000;
/** WHEP that has been shown this long, in ms, was a success. */
const HELD = 60_000;

/** Refusals that another way to play gets round: load, and media that WHEP cannot carry. */
const ROUND: ReadonlySet<number> = new Set([0, 406, 415, 422, 429]);

/**
 * Chooses the path from facts. It leaves WHEP for good reason only, and goes
 * back to it when a trial behind the picture shows frames, less and less often
 * where that does not hold.
 */
export class PathChooser {
  #trialAt = 0;
  #wait = FIRST_WAIT;
  #trialSince: number | undefined;
  #promotedAt: number | undefined;
  #poor = false;

  /** `random` spreads the trials of many viewers that were turned away at once. */
  constructor(readonly random: () => number = Math.random) {}

  /** When WHEP is tried next, in ms of the facts' clock. */
  get trialAt(): number {
    return this.#trialAt;
  }

  /** The viewer asked for live: a trial may begin at once, unless the server asked to wait. */
  hurry(now: number): void {
    if (!this.#poor && this.#wait === FIRST_WAIT) this.#trialAt = Math.min(this.#trialAt, now);
  }

  /** What to do now. */
  step(f: PathFacts): PathPlan {
    if (f.mode === "hls" && f.hls.possible) return { whep: false, hls: true, show: "hls" };
    if (f.mode === "whep" || !f.hls.possible) return { whep: true, hls: false, show: "whep" };
    if (f.behind) {
      this.#trialSince = undefined;
      return { whep: false, hls: true, show: "hls" };
    }
    return f.shown === "whep" ? this.#onWhep(f) : this.#onHls(f);
  }

  #onWhep(f: PathFacts): PathPlan {
    this.#trialSince = undefined;
    if (this.#promotedAt === undefined && f.whep.goodSince !== undefined) this.#promotedAt = f.now;
    // Browsers do less for a page in the background: what it sees there is no sign.
    const trouble = f.hidden && f.whep.refused === undefined ? undefined : whepTrouble(f.now, f.whep);
    if (!trouble) return { whep: true, hls: false, show: "whep" };
    // What still plays is not left for what may have nothing.
    if (!f.hls.ready) return { whep: true, hls: true, show: "whep" };
    const held = this.#promotedAt !== undefined && f.now - this.#promotedAt >= HELD;
    if (held) this.#wait = FIRST_WAIT;
    this.#poor = trouble === "poor";
    this.#promotedAt = undefined;
    this.#putOff(f);
    return { whep: false, hls: true, show: "hls" };
  }

  #onHls(f: PathFacts): PathPlan {
    const stay: PathPlan = { whep: false, hls: true, show: "hls" };
    // WHEP waits for a broadcaster without polling.
    if (f.hls.empty && f.now >= this.#trialAt) return { whep: true, hls: false, show: "whep" };
    if (f.now < this.#trialAt || f.hidden) return stay;
    if (!f.whep.running || this.#trialSince === undefined) {
      this.#trialSince = f.now;
      return { ...stay, whep: true };
    }
    const good = f.whep.goodSince !== undefined ? f.now - f.whep.goodSince : -1;
    if (good >= (this.#poor ? GOOD_AFTER_POOR : GOOD)) {
      this.#poor = false;
      this.#promotedAt = f.now;
      return { whep: true, hls: true, show: "whep" };
    }
    const over = f.whep.failed || f.whep.refused !== undefined || f.now - this.#trialSince > TRIAL;
    if (!over || (good >= 0 && f.now - this.#trialSince <= 2 * TRIAL)) return { ...stay, whep: true };
    this.#trialSince = undefined;
    this.#putOff(f);
    return stay;
  }

  /** Sets the time of the next trial. */
  #putOff(f: PathFacts): void {
    const jitter = 1 + 0.2 * this.random();
    const asked = f.whep.refused !== undefined ? f.whep.retryAfter : undefined;
    if (asked !== undefined) {
      // A server that knows when it has room again is asked then, and not less often each time.
      this.#trialAt = f.now + Math.max(1000, asked) * jitter;
      return;
    }
    this.#trialAt = f.now + this.#wait * jitter;
    this.#wait = Math.min(MOST_WAIT, this.#wait * 2);
  }
}

/** What is wrong with WHEP: no way to the media, or one that is too narrow. */
export function whepTrouble(now: number, w: WhepFacts): "refused" | "no path" | "poor" | undefined {
  if (!w.running) return undefined;
  if (w.failed && w.refused === undefined) return "no path";
  if (w.refused !== undefined) return passable(w.refused) ? "refused" : undefined;
  if (w.away) return undefined;
  if (w.lastFrame === undefined) {
    const waited = now - w.since;
    return waited > (w.connected ? NO_FRAME : NO_PATH) ? "no path" : undefined;
  }
  const still = now - w.lastFrame > (w.connected ? STILL : BROKEN);
  if (still || w.frozen > FROZEN) return "poor";
  return undefined;
}

function passable(status: number): boolean {
  return ROUND.has(status) || status >= 500;
}
