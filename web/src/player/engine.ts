import type { Emitter } from "../wire/emitter.ts";
import type { PlayerFigures } from "./figures.ts";
import type { Path } from "./path.ts";
import type { PlayerState } from "./state.ts";
import type { Window } from "./window.ts";

/** The events of an Engine. */
export interface EngineEvents {
  /** Anything shown may have changed. */
  change: undefined;
  state: { state: PlayerState; previous: PlayerState };
  /** The first picture (or sound) of this source, ms after play began. */
  first: number;
}

/** One quality of the menu. */
export interface Quality {
  id: string;
  label: string;
  /** bit/s; 0 when it is not sent at present. */
  bitrate: number;
}

/** One way to play a stream, with the video element that it is given. */
export interface Engine extends Emitter<EngineEvents> {
  readonly path: Path;
  readonly state: PlayerState;
  /** Whether it has ever shown anything. */
  readonly everLive: boolean;
  /** What the middle of the player says in this state; undefined for nothing. */
  readonly words: { title: string; detail: string } | undefined;
  /** Why the last try failed, for people, and its HTTP status. */
  readonly reason: string;
  readonly refused: number | undefined;
  /** A warning that does not end playing. */
  readonly warning: string;
  /** The qualities, highest first; `chosen` is undefined when one is chosen automatically. */
  readonly qualities: readonly Quality[];
  readonly chosen: string | undefined;
  readonly figures: PlayerFigures | undefined;
  /** What can be watched; undefined where only live can. */
  readonly window: Window | undefined;

  start(): void;
  stop(): Promise<void>;
  /** Shows its media in a video element from now on. */
  attach(video: HTMLVideoElement): void;
  choose(id: string | undefined): Promise<void>;
  /** When the frame was captured, in ms since 1970 by the publisher's clock; undefined while unknown. */
  capture(frame: VideoFrameCallbackMetadata): number | undefined;
  /** Reads the statistics now. */
  sample(): Promise<PlayerFigures | undefined>;
}
