import type Hls from "hls.js";
import type { ErrorData, HlsConfig } from "hls.js";
import { problemText } from "../wire/problem.ts";
import { Backoff } from "../wire/retry.ts";
import { captureAt } from "./capture.ts";
import type { Quality } from "./engine.ts";
import { hlsFigures, type PlayerFigures } from "./figures.ts";
import { HlsBase, type PlaylistEngine } from "./hls-base.ts";
import { withToken } from "./hls-state.ts";
import { Pilot } from "./pilot.ts";
import { LIVE_TARGET } from "./rate.ts";
import { Renditions } from "./renditions.ts";
import { PAST, type Window } from "./window.ts";

/** What hls.js is told; the figures were measured with parts of 200 ms. */
const CONFIG: Partial<HlsConfig> = {
  lowLatencyMode: true,
  liveSyncDuration: LIVE_TARGET,
  // By default one stall moves live away by a second for good.
  liveSyncOnStallIncrease: 0,
  // It goes by the playlist's place in time, which is a guess for a level that
  // has just been loaded: the Pilot does it.
  liveMaxLatencyDuration: Number.POSITIVE_INFINITY,
  // A tolerance near a part's length skips parts.
  maxFragLookUpTolerance: 0.02,
  backBufferLength: 10,
  // Its own catching up needs more buffer than there ever is: the Pilot does it.
  maxLiveSyncPlaybackRate: 1,
  enableWorker: false,
  autoStartLoad: false,
  enableInterstitialPlayback: false,
};

/** A second media error within this time, in ms, calls for a new start. */
const RECOVERY = 5000;

/** What an engine may be told when it is made. */
export interface HlsOptions {
  /** Where to begin, in ms since 1970 by the publisher's clock; live when absent. */
  from?: number | undefined;
  /** The label of the quality that the viewer has chosen. */
  quality?: string | undefined;
}

/** Plays LL-HLS by hls.js, which is loaded when the first engine starts. */
export class HlsEngine extends HlsBase implements PlaylistEngine {
  figures: PlayerFigures | undefined;
  #hls: Hls | undefined;
  #pilot: Pilot | undefined;
  #renditions: Renditions | undefined;
  #recoveredAt = Number.NEGATIVE_INFINITY;
  #again: ReturnType<typeof setTimeout> | undefined;
  #from: number | undefined;
  #quality: string | undefined;
  readonly #backoff = new Backoff(1000, 8000);

  constructor(url: string, token: string | undefined, options: HlsOptions = {}) {
    super(url, token);
    this.#from = options.from;
    this.#quality = options.quality;
  }

  get qualities(): readonly (Quality & { level: number })[] {
    const offered = this.#renditions?.offered ?? [];
    const labels = offered.map(({ height }, i) => (height === 0 ? `Level ${i + 1}` : `${height}p`));
    return offered
      .map(({ level, average: bitrate }, i) => {
        const label = labels[i] ?? "";
        return { id: `hls:${label}${labels.indexOf(label) === i ? "" : `-${i}`}`, label, bitrate, level };
      })
      .reverse();
  }

  get chosen(): string | undefined {
    const level = this.#pilot?.levels.chosen;
    return level === undefined ? undefined : this.qualities.find((q) => q.level === level)?.id;
  }

  get window(): Window | undefined {
    const details = this.#hls?.latestLevelDetails;
    const fragments = this.#pilot?.fragments ?? [];
    if (!details) return undefined;
    const start = captureAt(fragments, details.fragmentStart);
    const end = captureAt(fragments, details.edge);
    return start === undefined || end === undefined ? undefined : { start, end };
  }

  get now(): number | undefined {
    return this.#pilot && Date.now() - this.#pilot.clock.skew;
  }

  get behind(): number | undefined {
    return this.#pilot?.behind;
  }

  get following(): boolean {
    return this.#pilot?.following ?? this.#from === undefined;
  }

  async choose(id: string | undefined): Promise<void> {
    const found = this.qualities.find((q) => q.id === id);
    this.#quality = found?.label;
    if (!this.#pilot) return;
    this.#pilot.levels.chosen = found?.level;
    this.emit("change", undefined);
  }

  seek(capture: number): void {
    const pilot = this.#pilot;
    const at = pilot?.mediaTime(capture);
    if (!this.video || !pilot || at === undefined) {
      this.#from = capture;
      return;
    }
    pilot.following = (pilot.behindAt(at) ?? 0) < PAST;
    this.video.currentTime = at;
    this.emit("change", undefined);
  }

  goLive(): void {
    this.#from = undefined;
    const sync = this.#hls?.liveSyncPosition;
    if (!this.video || !this.#pilot) return;
    this.#pilot.following = true;
    if (typeof sync === "number" && sync > this.video.currentTime) this.video.currentTime = sync;
    if (this.video.paused) this.video.play().catch(() => {});
    this.emit("change", undefined);
  }

  capture(frame: VideoFrameCallbackMetadata): number | undefined {
    return this.#pilot && captureAt(this.#pilot.fragments, frame.mediaTime);
  }

  override async sample(): Promise<PlayerFigures | undefined> {
    if (this.#hls && this.#pilot && this.video) {
      this.figures = hlsFigures(this.#hls, this.#pilot, this.video, this.figures);
    }
    return this.figures;
  }

  protected override open(): void {
    void import("hls.js").then(({ default: made }) => this.#make(made));
  }

  #make(made: typeof Hls): void {
    if (!this.facts.running || this.#hls) return;
    const { Events, ErrorTypes } = made;
    const hls = new made({ ...CONFIG });
    this.#hls = hls;
    hls.on(Events.MANIFEST_PARSED, () => {
      this.#backoff.reset();
      this.reason = "";
      this.refused = undefined;
      this.set({ missing: false });
      this.#renditions = new Renditions(hls, hls.url ?? "", (sound) => this.#offered(sound));
      this.#begin(hls);
    });
    hls.on(Events.LEVEL_LOADED, (_, { details }) => {
      // What was over before we came is not played again by itself.
      if (!this.facts.everLive && !details.live && this.#from === undefined) this.#end(hls);
    });
    hls.on(Events.ERROR, (_, error) => this.#failed(hls, error, error.type === ErrorTypes.MEDIA_ERROR));
    hls.loadSource(withToken(this.url, this.token));
    if (this.video) this.join(this.video);
  }

  protected override join(video: HTMLVideoElement): void {
    const hls = this.#hls;
    if (!hls) return;
    const { Events } = hls.constructor as typeof Hls;
    const pilot = new Pilot(hls, video, Events, () => this.look((hls.latestLevelDetails?.age ?? 9) < 2));
    this.#pilot = pilot;
    if (hls.levels.length > 0) this.#begin(hls);
    hls.attachMedia(video);
    pilot.start();
    this.awaitFrame(video, () => hls === this.#hls);
  }

  /** Chooses the first level and starts to load, once both the levels and the element are there. */
  #begin(hls: Hls): void {
    const pilot = this.#pilot;
    if (!pilot) return;
    this.#offered(false);
    hls.loadLevel = pilot.levels.first(pilot.lines);
    hls.startLoad(-1);
    const from = this.#from;
    pilot.placed = from !== undefined;
    if (from === undefined) return;
    // Playlists only until the place is known: to begin anew while an init
    // segment of what is live comes in would abort that, which hls.js notices
    // late, stops what is loaded by then, and never loads it again.
    hls.pauseBuffering();
    hls.once((hls.constructor as typeof Hls).Events.LEVEL_LOADED, () => {
      const at = pilot.mediaTime(from);
      const behind = at === undefined ? 0 : (pilot.behindAt(at) ?? 0);
      if (at === undefined || behind < LIVE_TARGET) return hls.resumeBuffering();
      pilot.following = behind < PAST;
      hls.startLoad(at);
    });
  }

  /** Takes over what is offered now. */
  #offered(sound: boolean): void {
    const pilot = this.#pilot;
    if (!pilot) return;
    if (sound) {
      // hls.js cannot take sound in where there was none.
      this.#from = this.#place;
      this.close();
      this.open();
      return;
    }
    pilot.levels.offer(this.#renditions?.offered ?? []);
    pilot.levels.chosen = this.qualities.find((q) => q.label === this.#quality)?.level;
    this.emit("change", undefined);
  }

  /** What a new start has to keep: the place of a viewer who is in the past. */
  get #place(): number | undefined {
    const { video } = this;
    if (!this.#pilot || !video || !this.everLive) return this.#from;
    return this.following ? undefined : captureAt(this.#pilot.fragments, video.currentTime);
  }

  protected override close(): void {
    clearTimeout(this.#again);
    this.#renditions?.stop();
    this.#renditions = undefined;
    this.#pilot?.stop();
    this.#pilot = undefined;
    this.#hls?.destroy();
    this.#hls = undefined;
  }

  #end(hls: Hls): void {
    hls.stopLoad();
    this.over();
  }

  #failed(hls: Hls, error: ErrorData, media: boolean): void {
    if (!error.fatal || hls !== this.#hls) return;
    const now = performance.now();
    if (media && now - this.#recoveredAt > RECOVERY) {
      this.#recoveredAt = now;
      hls.recoverMediaError();
      return;
    }
    const status = error.response?.code ?? 0;
    this.refused = status;
    this.reason = media ? "This browser cannot decode it." : problemText(status, null, "");
    // The addresses behind the first playlist may be signed, for some hours: that one gives new ones.
    const failed = (status === 401 || status === 403) && error.details.startsWith("manifest");
    const missing = status === 404 || status === 410;
    this.#from = missing ? undefined : this.#place;
    this.close();
    this.set({ failed, missing, flowing: false });
    if (!failed) this.#again = setTimeout(() => this.open(), this.#backoff.next());
  }

  protected override paused(): void {
    // hls.js would seek a picture that the viewer has stopped.
    if (this.#pilot) this.#pilot.following = false;
  }

  protected override played(): void {
    const pilot = this.#pilot;
    if (pilot && (pilot.behind ?? 0) < PAST) pilot.following = true;
  }
}
