import type Hls from "hls.js";
import type { Fragment, LevelDetails, Part } from "hls.js";
import { AbrController, firstRung, fitting, ThroughputMeter } from "./abr.ts";
import { captureAt, type DatedFragment, mediaTimeOf } from "./capture.ts";
import { LiveClock } from "./live-clock.ts";
import { RateController } from "./rate.ts";
import type { Rendition } from "./renditions.ts";
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
/** With so much ahead, in seconds, a change of level needs no care. */
const AMPLE = 3;
/** A segment that does not end within this, in ms, is not waited for. */
const PATIENCE = 5000;
/**
 * A viewer who wants live and is so much behind it, in seconds, for so long, in
 * ms, is brought back by a jump. A new level's place in time is a guess at first.
 */
const MOST_BEHIND = 4;
const BEHIND_REST = 1000;

/**
 * Sits beside an hls.js instance and does what that does not do well so near
 * to live: the playback rate, the choice of the level, and getting it going
 * again when it stops loading.
 */
export class Pilot {
  readonly clock = new LiveClock();
  readonly rates = new RateController();
  readonly #abr = new AbrController();
  readonly #meter = new ThroughputMeter();
  readonly #stuck = new StuckDetector();
  /** What there is to choose from, from the lowest. */
  #offered: readonly Rendition[] = [];
  /** hls.js's index of what the viewer has chosen; undefined is automatic. */
  level: number | undefined;
  stalls = 0;
  /** How often hls.js had to be helped out of its dead-lock. */
  unstuck = 0;
  #following = true;
  #loading = 0;
  #ticks = 0;
  #wanted: number | undefined;
  #wantedSince = 0;
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
    hls.on(events.FRAG_LOADING, (_, { frag }) => {
      if (frag.type === "main") this.#loading = performance.now();
    });
    hls.on(events.FRAG_LOADED, (_, { frag, part }) => {
      const { loading, loaded } = (part ?? frag).stats;
      this.#meter.note(performance.now(), loaded, loading.end - loading.first);
      if (frag.type === "main") this.#loading = 0;
    });
    hls.on(events.FRAG_BUFFERED, (_, { frag, part }) => {
      if (frag.type === "main" && this.#endsSegment(frag, part)) this.#switch();
    });
    hls.on(events.LEVEL_UPDATED, (_, { details }) => this.#heard(details));
    hls.on(events.ERROR, (_, { frag, details }) => {
      if (frag?.type === "main") this.#loading = 0;
      // hls.js may have left a level that cannot be had: not to be led back there.
      if (details !== "aborted") this.#wanted = undefined;
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

  /** Measured throughput in bit/s. */
  get throughput(): number | undefined {
    return this.#meter.estimate(performance.now());
  }

  /** Lines of the screen that the picture fills; everything while it has no size. */
  get lines(): number {
    return this.video.clientHeight * devicePixelRatio || Number.POSITIVE_INFINITY;
  }

  /** Tells what there is to choose from, from the lowest. */
  set offered(offered: readonly Rendition[]) {
    const highest = this.#offered.at(-1);
    this.#offered = offered;
    this.#abr.offered(highest === undefined || highest.level === this.hls.loadLevel);
  }

  /** The level to begin with. */
  get first(): number | undefined {
    return this.level ?? this.#offered[firstRung(this.#offered, undefined, this.lines)]?.level;
  }

  readonly #waiting = () => {
    // The first picture and a seek wait, too, but nothing has stalled.
    if (this.video.seeking || this.video.played.length === 0 || this.video.paused) return;
    this.stalls++;
    this.rates.stalled(performance.now());
    this.#abr.stalled();
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
    const behind = this.behind;
    if (this.#following && details.live && behind !== undefined) {
      this.#jump(now, behind);
      this.#catchUp(now, behind);
      const rate = this.rates.rate({ now, behind, buffer: this.buffer });
      if (video.playbackRate !== rate) video.playbackRate = rate;
    }
    this.#unlock(now, details);
    if (++this.#ticks % 5 === 0) this.#choose(now);
    this.looked();
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

  #choose(now: number): void {
    const rungs = this.#offered;
    const loads = this.hls.loadLevel;
    if (rungs.length === 0 || loads < 0) return;
    const { throughput: estimate, buffer, lines } = this;
    // What was decided holds until a segment ends, though it does not play yet.
    const current = this.#rung(this.#wanted ?? loads);
    this.#wanted =
      this.level ?? rungs[this.#abr.choose(rungs, { now, current, estimate, buffer, lines })]?.level;
    if (this.#wanted === loads) this.#wantedSince = now;
    // With seconds in the buffer hls.js finds a seam by itself, and a picture that stands has none.
    const free = buffer > AMPLE || this.video.readyState < 3;
    if (free || now - this.#wantedSince > PATIENCE) this.#switch();
  }

  /** The rung of a level, or the nearest to it where that is no longer offered. */
  #rung(level: number): number {
    const found = this.#offered.findIndex((r) => r.level === level);
    return found >= 0 ? found : fitting(this.#offered, this.hls.levels[level]?.bitrate ?? 0);
  }

  /** Goes over to the wanted level, without a gap where a segment ends: only there all levels have a keyframe. */
  #switch(): void {
    if (this.#wanted === undefined || this.#wanted === this.hls.loadLevel) return;
    this.hls.nextLevel = this.#wanted;
  }

  /** Whether what was buffered is a whole segment, or the last part of one. */
  #endsSegment(frag: Fragment, part: Part | null): boolean {
    const details = this.hls.latestLevelDetails;
    if (!part || !details) return true;
    const parts = (details.partList ?? []).filter((p) => p.fragment.sn === frag.sn);
    return Number(frag.sn) <= details.endSN && part.index >= (parts.at(-1)?.index ?? 0);
  }
}
