import { Emitter } from "../wire/emitter.ts";
import type { Engine, EngineEvents } from "./engine.ts";
import type { PlayerFigures } from "./figures.ts";
import { type HlsFacts, hlsState, hlsWords } from "./hls-state.ts";
import { probe } from "./probe.ts";
import type { PlayerState } from "./state.ts";

/** A picture that has not moved for this long, in ms, has stopped. */
const QUIET = 1000;
/** How often a broadcast that has ended is asked for, in ms: at first and at last. */
const ASK_FIRST = 3000;
const ASK_LAST = 20_000;
/** How often listeners hear of progress, in ms. */
const PROGRESS = 500;

/** An Engine that plays a playlist, and so knows the past. */
export interface PlaylistEngine extends Engine {
  /** The publisher's time at live, in ms since 1970. */
  readonly now: number | undefined;
  /** Seconds behind live; undefined while unknown. */
  readonly behind: number | undefined;
  /** Whether it stays near live by itself. */
  readonly following: boolean;
  /** Goes to what was captured at a time, in ms since 1970 by the publisher's clock, and stays there. */
  seek(capture: number): void;
  /** Goes to live and stays near it. */
  goLive(): void;
}

/** What the two engines that play playlists have in common: the facts, and what follows from them. */
export abstract class HlsBase extends Emitter<EngineEvents> {
  readonly path = "hls";
  readonly warning = "";
  state: PlayerState = "idle";
  reason = "";
  refused: number | undefined;
  protected facts: HlsFacts = {
    running: false,
    missing: false,
    ended: false,
    failed: false,
    everLive: false,
    flowing: false,
    growing: false,
  };
  protected video: HTMLVideoElement | undefined;
  #life = new AbortController();
  #elements = new AbortController();
  #began = 0;
  #position = 0;
  #movedAt = 0;
  #told = 0;
  #asking: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly url: string,
    readonly token: string | undefined,
  ) {
    super();
  }

  get everLive(): boolean {
    return this.facts.everLive;
  }

  get words(): { title: string; detail: string } | undefined {
    return hlsWords(this.state, this.facts);
  }

  start(): void {
    this.#began = performance.now();
    this.#life = new AbortController();
    this.set({ running: true });
    this.open();
  }

  async stop(): Promise<void> {
    this.#life.abort();
    this.#elements.abort();
    clearTimeout(this.#asking);
    this.set({ running: false, flowing: false });
    this.close();
    this.video = undefined;
  }

  attach(video: HTMLVideoElement): void {
    this.#elements.abort();
    this.#elements = new AbortController();
    const { signal } = this.#elements;
    this.video = video;
    video.addEventListener("pause", () => !video.ended && this.paused(), { signal });
    video.addEventListener("play", () => this.played(), { signal });
    video.addEventListener("ended", () => this.over(), { signal });
    this.join(video);
  }

  abstract sample(): Promise<PlayerFigures | undefined>;
  /** Begins to load; `join` may have come before or comes after. */
  protected abstract open(): void;
  /** Puts what is loaded and the element together. */
  protected abstract join(video: HTMLVideoElement): void;
  protected abstract close(): void;
  protected abstract paused(): void;
  protected abstract played(): void;

  /** Listens for the first frame of what the element is about to play. */
  protected awaitFrame(video: HTMLVideoElement, still: () => boolean): void {
    const { signal } = this.#elements;
    const painted = () => !signal.aborted && still() && this.moved();
    video.requestVideoFrameCallback?.(painted);
    // Sound alone paints nothing.
    const plays = () => (video.videoWidth === 0 || !video.requestVideoFrameCallback) && painted();
    video.addEventListener("playing", plays, { signal });
  }

  /** The picture has moved. */
  protected moved(): void {
    const first = !this.facts.everLive;
    this.#movedAt = performance.now();
    this.set({ everLive: true, flowing: true, missing: false });
    if (first) this.emit("first", Math.round(performance.now() - this.#began));
  }

  /** Looks whether the picture moves; called several times a second. */
  protected look(growing: boolean): void {
    const { video, facts } = this;
    if (!video || !facts.everLive || facts.ended) return;
    const now = performance.now();
    if (video.currentTime !== this.#position) {
      this.#position = video.currentTime;
      this.#movedAt = now;
    }
    this.set({ flowing: now - this.#movedAt < QUIET || video.paused, growing });
    if (now - this.#told < PROGRESS) return;
    this.#told = now;
    void this.sample();
    this.emit("change", undefined);
  }

  /** Everything there is has been played: asks from time to time whether it goes on. */
  protected over(): void {
    this.set({ ended: true, flowing: false });
    clearTimeout(this.#asking);
    this.#ask(ASK_FIRST);
  }

  #ask(wait: number): void {
    this.#asking = setTimeout(async () => {
      const found = await probe(this.url, this.token, this.#life.signal).catch(() => undefined);
      if (this.#life.signal.aborted) return;
      if (!found?.live || found.seconds === 0) return this.#ask(Math.min(ASK_LAST, wait * 1.5));
      this.close();
      this.set({ ended: false });
      this.open();
    }, wait);
  }

  protected set(change: Partial<HlsFacts>): void {
    const keys = Object.keys(change) as (keyof HlsFacts)[];
    if (keys.every((key) => change[key] === this.facts[key])) return;
    this.facts = { ...this.facts, ...change };
    const previous = this.state;
    this.state = hlsState(this.facts);
    if (this.state !== previous) this.emit("state", { state: this.state, previous });
    this.emit("change", undefined);
  }
}
