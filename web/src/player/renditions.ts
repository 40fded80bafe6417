import type Hls from "hls.js";
import type { Level } from "hls.js";
import { Backoff } from "../wire/retry.ts";
import type { Rung } from "./abr.ts";

/** A rendition that is offered, and the index that hls.js plays it by. */
export interface Rendition extends Rung {
  level: number;
  /** Mean bit/s. */
  average: number;
}

/** The waits between two readings, in ms: the first one after something has changed, and the longest. */
const SOON = 1000;
const LATEST = 30_000;

/**
 * Knows which renditions are offered. hls.js reads the multivariant playlist
 * once; an encoder that begins its layers one by one, and a publisher who
 * comes after another, have more of them or fewer later on. Levels are only
 * ever added, so that hls.js's indices of what plays stay what they are.
 */
export class Renditions {
  /** From the lowest to the highest. */
  offered: readonly Rendition[];
  readonly #backoff = new Backoff(SOON, LATEST);
  #reader: Hls | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #discontinuities = 0;

  /** `changed` is called when other renditions are offered, with whether sound has come that was not there before. */
  constructor(
    readonly hls: Hls,
    readonly url: string,
    readonly changed: (sound: boolean) => void,
  ) {
    const { Events } = hls.constructor as typeof Hls;
    this.offered = renditions(hls.levels, hls.levels);
    hls.on(Events.LEVEL_UPDATED, (_, { details }) => {
      // Another publisher's media are behind a discontinuity.
      if (details.endCC > this.#discontinuities) this.#hurry();
      this.#discontinuities = Math.max(this.#discontinuities, details.endCC);
    });
    this.#wait();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#reader?.destroy();
    this.#reader = undefined;
  }

  #hurry(): void {
    this.#backoff.reset();
    this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), this.#backoff.next());
  }

  /** Lets another hls.js read the playlist, as it judges codecs and sorts. */
  #read(): void {
    this.stop();
    const made = this.hls.constructor as typeof Hls;
    const reader = new made({ autoStartLoad: false, enableWorker: false, enableInterstitialPlayback: false });
    this.#reader = reader;
    reader.on(made.Events.MANIFEST_PARSED, (_, { levels, audioTracks }) => {
      this.stop();
      this.#wait();
      // Last, as it may end in stop.
      this.#offer(levels, audioTracks.length > 0 && this.hls.audioTracks.length === 0);
    });
    reader.on(made.Events.ERROR, (_, { fatal }) => {
      // Whoever is away may come back; until then what is known holds.
      if (!fatal) return;
      this.stop();
      this.#wait();
    });
    reader.loadSource(this.url);
  }

  #offer(read: Level[], sound: boolean): void {
    const { hls } = this;
    const known = hls.levels;
    const all = [...known, ...read.filter((level) => indexOf(known, level) < 0)];
    if (all.length > known.length) {
      hls.trigger((hls.constructor as typeof Hls).Events.LEVELS_UPDATED, { levels: all });
    }
    const offered = renditions(all, read);
    const same = offered.length === this.offered.length && offered.every((r, i) => alike(r, this.offered[i]));
    this.offered = offered;
    if (!same || sound) this.changed(sound);
  }
}

/** The renditions of a reading, by the indices among all levels. */
export function renditions(all: readonly Level[], read: readonly Level[]): Rendition[] {
  return read.map((level) => ({
    level: indexOf(all, level),
    bandwidth: level.bitrate,
    average: level.averageBitrate,
    height: Math.min(level.width, level.height),
  }));
}

function indexOf(levels: readonly Level[], level: Level): number {
  return levels.findIndex((l) => l.uri === level.uri);
}

/** Whether it is the same rendition with a picture of the same size; bitrates always change a little. */
function alike(a: Rendition, b: Rendition | undefined): boolean {
  return a.level === b?.level && a.height === b.height;
}
