import type Hls from "hls.js";
import type { LevelDetails } from "hls.js";
import { captureAt, type DatedFragment, mediaTimeOf } from "./capture.ts";
import { Levels } from "./levels.ts";
import { LiveClock } from "./live-clock.ts";
import { RateController } from "./rate.ts";
import { StuckDetector } from "./stuck.ts";

/** How often it looks, in ms. */
const INTERVAL = 100;
/** How far a seek goes that gets hls.js going again, in seconds: about a frame. */
const NUDGE = 0.034;
/** Beginning so much further behind live than the target, in seconds, is mended by a jump. */
const FAR = 0.15;
/** How long the beginning is, and how far jumps are apart, in ms. */
const BEGINNING = 2500;
const JUMP_REST = 700;
/** What a jump leaves ahead of the playhead, in seconds. */
const LANDING = 0.25;
/**
 * A viewer who wants live and is so much behind it, in seconds, for so long, in
 * ms, is brought back by a jump. A new level's place in time is a guess at first.
 */
const MOST_BEHIND = 4;
const BEHIND_REST = 1000;

/**
 * Sits beside an hls.js instance and does what that does not do well so near
 * to live: the playback rate, the choice of the level (Levels), and getting it
 * going again when it stops loading.
 */
export class Pilot {
  readonly clock = new LiveClock();
  readonly rates = new RateController();
  readonly levels: Levels;
  readonly #stuck = new StuckDetector();
  stalls = 0;
  /** How often hls.js had to be helped out of its dead-lock. */
  unstuck = 0;
  #following = true;
  #loading = 0;
  #ticks = 0;
  /** The place to begin at was chosen: it is not moved nearer to live. */
  placed = false;
  #begun = 0;
  #jumped = 0;
  #behindSince: number | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    readonly hls: Hls,
    readonly video: HTMLVideoElement,
    readonly events: typeof Hls.Events,
    readonly looked: () => void,
  ) {
    this.levels = new Levels(hls, events);
    hls.on(events.FRAG_LOADING, (_, { frag }) => {
      if (frag.type === "main") this.#loading = performance.now();
    });
    hls.on(events.FRAG_LOADED, (_, { frag }) => {
      if (frag.type === "main") this.#loading = 0;
    });
    hls.on(events.LEVEL_UPDATED, (_, { details }) => this.#heard(details));
    hls.on(events.ERROR, (_, { frag }) => {
      if (frag?.type === "main") this.#loading = 0;
    });
  }

  start(): void {
    this.video.addEventListener("waiting", this.#waiting);
    this.#timer = setInterval(() => this.#look(), INTERVAL);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.video.removeEventListener("waiting", this.#waiting);
    this.video.playbackRate = 1;
  }

  /** Whether the viewer stays near live; otherwise the place is the viewer's own. */
  get following(): boolean {
    return this.#following;
  }

  set following(following: boolean) {
    this.#following = following;
    if (!following) this.video.playbackRate = 1;
  }

  /** The stretches of the playlist that plays, with the one that is not complete. */
  get fragments(): DatedFragment[] {
    const details = this.hls.latestLevelDetails;
    if (!details) return [];
    const hint = details.fragmentHint;
    return hint ? [...details.fragments, hint] : details.fragments;
  }

  /**
   * Where to play what was captured at a time, in seconds of media time. The
   * oldest segment may go before it is loaded: the second is the first.
   */
  mediaTime(capture: number): number | undefined {
    const { fragments } = this;
    const at = mediaTimeOf(fragments, capture);
    return at === undefined ? undefined : Math.max(at, (fragments[1] ?? fragments[0])?.start ?? at);
  }

  /** Seconds behind live at the playhead; undefined while unknown. */
  get behind(): number | undefined {
    return this.behindAt(this.video.currentTime);
  }

  /** The same at another media time, in seconds. */
  behindAt(mediaTime: number): number | undefined {
    const capture = captureAt(this.fragments, mediaTime);
    return capture === undefined ? undefined : this.clock.behind(Date.now(), capture);
  }

  /** Seconds of media ahead of the playhead. */
  get buffer(): number {
    const { buffered, currentTime } = this.video;
    for (let i = 0; i < buffered.length; i++) {
      if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) >= currentTime) {
        return buffered.end(i) - currentTime;
      }
    }
    return 0;
  }

  /** Lines of the screen that the picture fills; everything while it has no size. */
  get lines(): number {
    return this.video.clientHeight * devicePixelRatio || Number.POSITIVE_INFINITY;
  }

  readonly #waiting = () => {
    // The first picture and a seek wait, too, but nothing has stalled.
    if (this.video.seeking || this.video.played.length === 0 || this.video.paused) return;
    this.stalls++;
    this.rates.stalled(performance.now());
    this.levels.stalled();
  };

  #heard(details: LevelDetails): void {
    const edge = captureAt(this.fragments, details.edge);
    if (details.live && details.advanced && edge !== undefined) this.clock.heard(Date.now(), edge);
  }

  #look(): void {
    const now = performance.now();
    const { video } = this;
    const details = this.hls.latestLevelDetails;
    if (!details || video.readyState === 0) return;
    const behind = this.#following && details.live ? this.behind : undefined;
    const rate = behind === undefined ? 1 : this.#near(now, behind);
    if (video.playbackRate !== rate) video.playbackRate = rate;
    this.#unlock(now, details);
    if (++this.#ticks % 5 === 0) {
      this.levels.choose({ now, buffer: this.buffer, lines: this.lines, dry: video.readyState < 3 });
    }
    this.looked();
  }

  /** Keeps a viewer who wants live near it; the result is the playback rate. */
  #near(now: number, behind: number): number {
    this.#jump(now, behind);
    this.#catchUp(now, behind);
    return this.rates.rate({ now, behind, buffer: this.buffer });
  }

  /** In the first moments, what has come in late is skipped, before anybody is used to it. */
  #jump(now: number, behind: number): void {
    if (this.placed || this.video.readyState < 3 || this.video.paused) return;
    this.#begun ||= now;
    if (now - this.#begun > BEGINNING || now - this.#jumped < JUMP_REST) return;
    const far = Math.min(behind - this.rates.target(now), this.buffer - LANDING);
    if (far <= FAR) return;
    this.#jumped = now;
    this.video.currentTime += far;
  }

  /** Jumps to live when the viewer has fallen too far behind for playing faster to help. */
  #catchUp(now: number, behind: number): void {
    if (behind < MOST_BEHIND || this.video.seeking || this.video.paused) {
      this.#behindSince = undefined;
      return;
    }
    this.#behindSince ??= now;
    if (now - this.#behindSince < BEHIND_REST) return;
    this.#behindSince = undefined;
    const target = Date.now() - this.clock.skew - this.rates.target(now) * 1000;
    const at = mediaTimeOf(this.fragments, target);
    if (at !== undefined && at > this.video.currentTime) this.video.currentTime = at;
  }

  #unlock(now: number, details: LevelDetails): void {
    const bufferEnd = this.video.currentTime + this.buffer;
    const loading = this.#loading > 0;
    // Far behind live hls.js stops by itself when it has enough.
    if (this.video.paused || this.buffer > 2) return;
    if (!this.#stuck.look({ now, bufferEnd, edge: details.edge, loading })) return;
    this.unstuck++;
    this.video.currentTime += NUDGE;
  }
}
