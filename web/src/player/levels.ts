import type Hls from "hls.js";
import type { Fragment, Part } from "hls.js";
import { AbrController, firstRung, fitting, ThroughputMeter } from "./abr.ts";
import type { Rendition } from "./renditions.ts";

/** With so much ahead, in seconds, a change of level needs no care. */
const AMPLE = 3;
/** A segment that does not end within this, in ms, is not waited for. */
const PATIENCE = 5000;

/** How things stand with the element, for the choice of a level. */
export interface Sight {
  /** ms of one clock. */
  now: number;
  /** Media ahead of the playhead, in seconds. */
  buffer: number;
  /** Lines of the screen that the picture fills. */
  lines: number;
  /** Whether the picture stands for want of media. */
  dry: boolean;
}

/** Chooses the level that an hls.js instance plays, and changes it where that leaves no gap. */
export class Levels {
  /** hls.js's index of what the viewer has chosen; undefined is automatic. */
  chosen: number | undefined;
  readonly #abr = new AbrController();
  readonly #meter = new ThroughputMeter();
  /** What there is to choose from, from the lowest. */
  #offered: readonly Rendition[] = [];
  #wanted: number | undefined;
  #wantedSince = 0;

  constructor(
    readonly hls: Hls,
    events: typeof Hls.Events,
  ) {
    hls.on(events.FRAG_LOADED, (_, { frag, part }) => {
      const { loading, loaded } = (part ?? frag).stats;
      this.#meter.note(performance.now(), loaded, loading.end - loading.first);
    });
    hls.on(events.FRAG_BUFFERED, (_, { frag, part }) => {
      if (frag.type === "main" && this.#endsSegment(frag, part)) this.#switch();
    });
    hls.on(events.ERROR, (_, { details }) => {
      // hls.js may have left a level that cannot be had: not to be led back there.
      if (details !== "aborted") this.#wanted = undefined;
    });
  }

  /** Tells what there is to choose from, from the lowest. */
  offer(offered: readonly Rendition[]): void {
    const old = this.#offered;
    const plays = old[this.#rung(this.hls.loadLevel)];
    this.#offered = offered;
    this.#abr.offered(plays === undefined || plays.height === old.at(-1)?.height);
  }

  /** The level to begin with. */
  first(lines: number): number {
    return this.chosen ?? this.#offered[firstRung(this.#offered, undefined, lines)]?.level ?? 0;
  }

  /** Measured throughput in bit/s. */
  get throughput(): number | undefined {
    return this.#meter.estimate(performance.now());
  }

  /** Tells of a stall. */
  stalled(): void {
    this.#abr.stalled();
  }

  /** Decides what to play; called several times in a segment. */
  choose({ now, buffer, lines, dry }: Sight): void {
    const rungs = this.#offered;
    const loads = this.hls.loadLevel;
    if (rungs.length === 0 || loads < 0) return;
    // What was decided holds until a segment ends, though it does not play yet.
    const current = this.#rung(this.#wanted ?? loads);
    const input = { now, current, estimate: this.#meter.estimate(now), buffer, lines };
    this.#wanted = this.chosen ?? rungs[this.#abr.choose(rungs, input)]?.level;
    if (this.#wanted === loads) this.#wantedSince = now;
    // With seconds in the buffer hls.js finds a seam by itself, and a picture that stands has none.
    if (dry || buffer > AMPLE || now - this.#wantedSince > PATIENCE) this.#switch();
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
