import { type Meeting, meets, type Seam, seam } from "./handover.ts";
import type { Path } from "./path.ts";

/** The newest frame of a video element. */
interface Shown {
  /** ms since 1970 by the publisher's clock. */
  capture: number | undefined;
  /** When it was painted, by performance.now(). */
  at: number;
}

/** What the Stage asks of its owner. */
export interface StageOwner {
  /** When a frame of a path was captured. */
  capture(path: Path, frame: VideoFrameCallbackMetadata): number | undefined;
  /** A frame was painted; `first` of those since the element got its source. */
  painted(path: Path): void;
  /** Sound, playing or the shown element may have changed. */
  changed(): void;
}

/**
 * The two video elements, one above the other, each with the media of one
 * path. One of them is seen and heard; the Stage changes over at the frame
 * that fits.
 */
export class Stage {
  shown: Path = "whep";
  /** The browser refused sound without a gesture. */
  refusedSound = false;
  readonly #frames: Record<Path, Shown | undefined> = { whep: undefined, hls: undefined };
  #change: { to: Path; began: number; patience: number; done: (seam: Seam) => void } | undefined;
  readonly #life = new AbortController();

  constructor(
    readonly videos: Record<Path, HTMLVideoElement>,
    readonly owner: StageOwner,
  ) {
    for (const path of ["whep", "hls"] as const) this.#watch(path, videos[path]);
  }

  /** The element that is seen. */
  get video(): HTMLVideoElement {
    return this.videos[this.shown];
  }

  /** When the frame that is seen was captured; undefined while unknown. */
  get captured(): number | undefined {
    return this.#frames[this.shown]?.capture;
  }

  /** How much later than the seen frame the hidden one was captured, in ms; undefined while unknown. */
  get lead(): number | undefined {
    const seen = this.#frames[this.shown]?.capture;
    const hidden = this.#frames[this.shown === "whep" ? "hls" : "whep"]?.capture;
    return seen === undefined || hidden === undefined ? undefined : hidden - seen;
  }

  /** Lets go of the elements. */
  close(): void {
    this.#life.abort();
    this.#change = undefined;
  }

  /** Where a hand-over is going; undefined when there is none. */
  get goingTo(): Path | undefined {
    return this.#change?.to;
  }

  /** Shows the other path as soon as its picture meets this one's, after `patience` ms at any rate. */
  handOver(to: Path, patience: number, done: (seam: Seam) => void): void {
    if (to === this.shown || this.#change?.to === to) return;
    this.#change = { to, began: performance.now(), patience, done };
  }

  /** Gives a hand-over up. */
  stay(): void {
    this.#change = undefined;
  }

  /** Shows a path at once, whatever it has. */
  show(path: Path): void {
    this.#change = undefined;
    if (path === this.shown) return;
    const old = this.video;
    this.shown = path;
    const now = this.video;
    now.volume = old.volume;
    now.muted = old.muted;
    // Two sounds at once would be worse than none for a moment.
    old.muted = true;
    if (old.ownerDocument.pictureInPictureElement && now.readyState > 0) {
      now.requestPictureInPicture?.().catch(() => {});
    }
    if (now.paused && now.readyState > 0) this.play();
    this.owner.changed();
  }

  /** Plays the element that is seen, without sound where the browser insists. */
  play(): void {
    const { video } = this;
    video.play().catch((error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || video.muted) return;
      video.muted = true;
      this.refusedSound = true;
      video.play().catch(() => {});
      this.owner.changed();
    });
  }

  #watch(path: Path, video: HTMLVideoElement): void {
    const { signal } = this.#life;
    if (path !== this.shown) video.muted = true;
    const loading = () => {
      this.#frames[path] = undefined;
      if (path === this.shown) this.play();
      else video.play().catch(() => {});
    };
    video.addEventListener("loadstart", loading, { signal });
    if (!video.requestVideoFrameCallback) {
      video.addEventListener("timeupdate", () => this.#painted(path, undefined), { signal });
      return;
    }
    const painted: VideoFrameRequestCallback = (_, frame) => {
      if (signal.aborted) return;
      video.requestVideoFrameCallback(painted);
      this.#painted(path, this.owner.capture(path, frame));
    };
    video.requestVideoFrameCallback(painted);
  }

  #painted(path: Path, capture: number | undefined): void {
    const now = performance.now();
    this.#frames[path] = { capture, at: now };
    this.owner.painted(path);
    const change = this.#change;
    if (!change || change.to !== path) return;
    const from = this.#frames[this.shown];
    const meeting: Meeting = {
      elapsed: now - change.began,
      from: from?.capture,
      fromAge: from ? now - from.at : Number.POSITIVE_INFINITY,
      to: capture,
    };
    if (!meets(meeting, change.patience)) return;
    this.show(path);
    change.done(seam(meeting));
  }
}
