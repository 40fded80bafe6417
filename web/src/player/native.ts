import type { Quality } from "./engine.ts";
import type { PlayerFigures } from "./figures.ts";
import { plainFigures } from "./figures.ts";
import { HlsBase, type PlaylistEngine } from "./hls-base.ts";
import { withToken } from "./hls-state.ts";
import { PAST, type Window } from "./window.ts";

/** How often it looks, in ms. */
const INTERVAL = 250;
/** The wait before a new try after an error, in ms. */
const AGAIN = 3000;
/** How far behind the end of what can be sought live is, in seconds. */
const EDGE = 1;

/** Safari tells when media time 0 was captured, by EXT-X-PROGRAM-DATE-TIME. */
type DatedVideo = HTMLVideoElement & { getStartDate?(): Date };

/** Leaves playing LL-HLS to a browser that can, where there is no Media Source Extensions (iOS). */
export class NativeEngine extends HlsBase implements PlaylistEngine {
  readonly qualities: readonly Quality[] = [];
  readonly chosen = undefined;
  figures: PlayerFigures | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #life = new AbortController();
  #following = true;

  get following(): boolean {
    return this.#following;
  }

  get window(): Window | undefined {
    const zero = this.#zero;
    const { seekable } = this.video ?? {};
    if (zero === undefined || !seekable?.length) return undefined;
    const last = seekable.length - 1;
    return { start: zero + seekable.start(0) * 1000, end: zero + seekable.end(last) * 1000 };
  }

  get now(): number | undefined {
    return this.window?.end;
  }

  get behind(): number | undefined {
    const { video, window } = this;
    const zero = this.#zero;
    if (!video || !window || zero === undefined) return undefined;
    return Math.max(0, (window.end - zero) / 1000 - video.currentTime);
  }

  async choose(): Promise<void> {
    // The browser chooses.
  }

  seek(capture: number): void {
    const zero = this.#zero;
    const end = this.now;
    if (!this.video || zero === undefined || end === undefined) return;
    this.#following = (end - capture) / 1000 < PAST;
    this.video.currentTime = (capture - zero) / 1000;
    this.emit("change", undefined);
  }

  goLive(): void {
    const { video } = this;
    this.#following = true;
    const { seekable } = video ?? {};
    if (video && seekable?.length) video.currentTime = seekable.end(seekable.length - 1) - EDGE;
    if (video?.paused) video.play().catch(() => {});
    this.emit("change", undefined);
  }

  capture(frame: VideoFrameCallbackMetadata): number | undefined {
    const zero = this.#zero;
    return zero === undefined ? undefined : zero + frame.mediaTime * 1000;
  }

  override async sample(): Promise<PlayerFigures | undefined> {
    if (this.video) this.figures = plainFigures(this.video, this.behind, this.figures);
    return this.figures;
  }

  /** When media time 0 was captured, in ms since 1970. */
  get #zero(): number | undefined {
    const time = (this.video as DatedVideo | undefined)?.getStartDate?.().getTime();
    return time === undefined || Number.isNaN(time) ? undefined : time;
  }

  protected override open(): void {
    if (this.video && this.facts.running) this.join(this.video);
  }

  protected override join(video: HTMLVideoElement): void {
    if (!this.facts.running) return;
    this.close();
    this.#life = new AbortController();
    const { signal } = this.#life;
    video.addEventListener("error", () => this.#failed(video), { signal });
    video.src = withToken(this.url, this.token);
    this.awaitFrame(video, () => !signal.aborted);
    this.#timer = setInterval(() => this.look(true), INTERVAL);
  }

  protected override close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#again);
    this.#life.abort();
    this.video?.removeAttribute("src");
    this.video?.load();
  }

  #failed(video: HTMLVideoElement): void {
    this.reason = "This browser could not play it.";
    // The status is not told: most often nobody is live yet.
    this.set({ missing: !this.facts.everLive, flowing: false });
    this.#again = setTimeout(() => this.join(video), AGAIN);
  }

  protected override paused(): void {
    this.#following = false;
  }

  protected override played(): void {
    if ((this.behind ?? 0) < PAST) this.#following = true;
  }
}
