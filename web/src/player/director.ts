import { Emitter } from "../wire/emitter.ts";
import type { Engine, EngineEvents } from "./engine.ts";
import { PATIENCE, type Seam } from "./handover.ts";
import type { PlaylistEngine } from "./hls-base.ts";
import { hlsAddress } from "./hls-state.ts";
import { type Mode, type Path, PathChooser } from "./path.ts";
import { playlistEngine, playlistPlayable } from "./playlist.ts";
import { Reach } from "./reach.ts";
import { Stage } from "./stage.ts";
import { Watcher } from "./watcher.ts";
import { LEAST_WINDOW, PAST, type Window, windowLength } from "./window.ts";

/** What a Director plays. */
export interface Source {
  /** Absolute addresses; the LL-HLS one is guessed from WHEP's when absent. */
  whep: string;
  hls: string | undefined;
  token: string | undefined;
  mode: Mode;
}

/** The events of a Director: those of the engine that is seen, and its own. */
export interface DirectorEvents extends EngineEvents {
  path: { path: Path; seam: Seam | undefined };
  viewers: number;
}

/** How often the choice of the path is looked at, in ms. */
const INTERVAL = 250;
/** How long a picture that still plays, though badly, waits for LL-HLS to meet it, in ms. */
const LEAVE = 1500;
/** How long a notice is shown, in ms. */
const NOTICE = 4000;

/** Runs the engines, chooses between them and hands over. */
export class Director extends Emitter<DirectorEvents> {
  readonly stage: Stage;
  readonly whep: Watcher;
  #hls: PlaylistEngine | undefined;
  #hlsUrl: string | undefined;
  readonly #chooser = new PathChooser();
  #whepRuns = false;
  #past = false;
  #attached = false;
  #first = false;
  #began = 0;
  #quality: string | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly #reach = new Reach();
  /** A word on what the viewer has asked for; undefined most of the time. */
  notice: string | undefined;
  #noticed: ReturnType<typeof setTimeout> | undefined;
  readonly #life = new AbortController();

  constructor(
    readonly source: Source,
    videos: Record<Path, HTMLVideoElement>,
  ) {
    super();
    this.whep = new Watcher(source.whep, source.token);
    this.#hlsUrl = source.hls ?? hlsAddress(source.whep);
    this.stage = new Stage(videos, {
      capture: (path, frame) => this.#engine(path)?.capture(frame),
      painted: (path) => path === "whep" && this.whep.painted(),
      changed: () => this.emit("change", undefined),
    });
    this.#listen(this.whep);
    this.whep.client.on("viewers", (viewers) => this.emit("viewers", viewers));
    this.whep.client.on("alternate", (url) => {
      if (!source.hls) this.#hlsUrl = url;
    });
  }

  /** The engine whose picture is seen. */
  get engine(): Engine {
    return this.#engine(this.stage.shown) ?? this.whep;
  }

  /** What can be watched, by the newest knowledge. */
  get window(): Window | undefined {
    const end = this.#liveNow();
    const own = this.#hls?.window;
    if (own) return { start: own.start, end: Math.max(own.end, end ?? 0) };
    const { seconds } = this.#reach;
    return end === undefined || seconds < LEAST_WINDOW ? undefined : { start: end - seconds * 1000, end };
  }

  /** How far the picture is behind live, in seconds; 0 while WHEP plays. */
  get behind(): number {
    return this.stage.shown === "hls" ? (this.#hls?.behind ?? 0) : 0;
  }

  /** Whether the viewer stays at live. */
  get atLive(): boolean {
    return !this.#past;
  }

  start(): void {
    this.#began = performance.now();
    if (this.source.mode === "hls" && this.#possible) this.stage.show("hls");
    this.#decide();
    this.#timer = setInterval(() => this.#decide(), INTERVAL);
  }

  /** Gives the engines their elements. */
  attach(): void {
    this.#attached = true;
    if (this.#whepRuns) this.whep.attach(this.stage.videos.whep);
    this.#hls?.attach(this.stage.videos.hls);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#noticed);
    this.#life.abort();
    this.stage.close();
    await Promise.all([this.whep.stop(), this.#hls?.stop()]);
  }

  /** Goes to a quality by its id; undefined is automatic. */
  async choose(id: string | undefined): Promise<void> {
    this.#quality = this.engine.qualities.find((q) => q.id === id)?.label;
    await this.engine.choose(id);
  }

  /**
   * Goes to what was captured at a time, in ms since 1970 by the publisher's
   * clock; to the oldest moment there is, if that is younger; and stays live,
   * with a notice, where there is no past.
   */
  seek(capture: number): void {
    const near = (this.#liveNow() ?? Number.POSITIVE_INFINITY) - PAST * 1000;
    const to = Math.max(capture, this.window?.start ?? capture);
    if (to > near) {
      this.goLive();
      if (capture <= near) this.#nothing();
      return;
    }
    this.#past = true;
    if (this.#hls) this.#hls.seek(to);
    else this.#startHls(to);
    this.#decide();
  }

  /** Goes to so many seconds behind live. */
  goTo(behind: number): void {
    const live = this.#liveNow();
    if (live !== undefined && this.window) this.seek(live - Math.max(0, behind) * 1000);
    else if (behind > 0) this.#nothing();
  }

  /** Says that there is no past to go to. */
  #nothing(): void {
    clearTimeout(this.#noticed);
    this.notice = "There is nothing to go back to yet";
    this.#noticed = setTimeout(() => {
      this.notice = undefined;
      this.emit("change", undefined);
    }, NOTICE);
    this.emit("change", undefined);
  }

  /** Comes back to live. */
  goLive(): void {
    this.#past = false;
    this.#chooser.hurry(performance.now());
    this.#hls?.goLive();
    this.#decide();
  }

  /** Learns how far back one can go, when LL-HLS does not play and so does not tell. */
  async look(): Promise<void> {
    if (this.#hls || !this.#possible || !this.#hlsUrl) return;
    const news = await this.#reach.look(this.#hlsUrl, this.source.token, this.#life.signal);
    if (news) this.emit("change", undefined);
  }

  get #possible(): boolean {
    return this.#hlsUrl !== undefined && this.source.mode !== "whep" && playlistPlayable();
  }

  #engine(path: Path): Engine | undefined {
    return path === "whep" ? this.whep : this.#hls;
  }

  /** The publisher's time at live. */
  #liveNow(): number | undefined {
    if (this.#hls?.now !== undefined) return this.#hls.now;
    return this.stage.captured;
  }

  #listen(engine: Engine): void {
    engine.on("change", () => this.emit("change", undefined));
    engine.on("state", (detail) => {
      if (engine === this.engine) this.emit("state", detail);
      this.#decide();
    });
    engine.on("first", (milliseconds) => {
      // LL-HLS as the second choice is as late as the viewer has waited.
      const waited = engine.path === "whep" ? milliseconds : Math.round(performance.now() - this.#began);
      if (!this.#first) this.emit("first", waited);
      this.#first = true;
      this.#decide();
    });
  }

  #decide(): void {
    const hls = this.#hls;
    const empty = hls !== undefined && ["ended", "waiting", "error"].includes(hls.state);
    if (this.#past && ((hls?.following && hls.everLive) || (empty && this.stage.shown === "whep"))) {
      this.#past = false;
      // Nobody has left live: there was nowhere to go.
      if (this.stage.shown === "whep") this.#nothing();
    }
    const plan = this.#chooser.step({
      now: performance.now(),
      mode: this.source.mode,
      shown: this.stage.shown,
      whep: this.whep.pathFacts(this.#whepRuns),
      hls: {
        possible: this.#possible,
        ready: hls?.state === "live",
        empty,
      },
      behind: this.#past || (hls !== undefined && this.stage.shown === "hls" && !hls.following),
      hidden: document.hidden,
    });
    this.#run(plan.whep, plan.hls);
    this.#meet();
    this.#head(plan.show);
  }

  #run(whep: boolean, hls: boolean): void {
    const leaving = this.stage.goingTo !== undefined;
    if (whep && !this.#whepRuns) {
      this.#whepRuns = true;
      // A trial plays as late as what is seen, so that one frame can follow the other.
      if (this.stage.shown === "hls" && this.engine.everLive)
        this.whep.delay.set((this.#hls?.behind ?? 0) * 1000);
      this.whep.start();
      if (this.#attached) this.whep.attach(this.stage.videos.whep);
    } else if (!whep && this.#whepRuns && this.stage.shown !== "whep" && !leaving) {
      this.#whepRuns = false;
      void this.whep.stop();
    }
    if (hls && !this.#hls) this.#startHls(undefined);
    else if (!hls && this.#hls && this.stage.shown !== "hls" && !leaving) {
      const old = this.#hls;
      this.#hls = undefined;
      void old.stop();
    }
  }

  #startHls(from: number | undefined): void {
    if (!this.#hlsUrl) return;
    const options = { from: from ?? this.#resume(), quality: this.#quality };
    const hls = playlistEngine(this.#hlsUrl, this.source.token, options);
    this.#hls = hls;
    this.#listen(hls);
    hls.start();
    if (this.#attached) hls.attach(this.stage.videos.hls);
  }

  /** Where LL-HLS goes on when WHEP's picture stands: at the frame that stands. */
  #resume(): number | undefined {
    return this.whep.state === "live" ? undefined : this.stage.captured;
  }

  /** Goes over to a path when it has a picture. */
  #head(show: Path): void {
    const { stage } = this;
    const to = this.#engine(show);
    if (show === stage.shown) {
      if (stage.goingTo) stage.stay();
      return;
    }
    if (!this.engine.everLive || this.engine.state === "idle") {
      this.#over(show, undefined);
      return;
    }
    if (to?.state !== "live" || stage.goingTo === show) return;
    const patience = this.#past ? 0 : show === "whep" ? PATIENCE : LEAVE;
    stage.handOver(show, patience, (seam) => this.#over(show, seam));
  }

  /** Brings a trial's picture to where LL-HLS is. */
  #meet(): void {
    const { lead } = this.stage;
    if (this.#whepRuns && this.stage.shown === "hls" && lead !== undefined) this.whep.delay.correct(lead);
  }

  #over(path: Path, seam: Seam | undefined): void {
    const previous = this.engine.state;
    this.stage.show(path);
    if (path === "whep") this.whep.delay.release();
    const state = this.engine.state;
    if (this.#quality !== undefined) this.#keepQuality();
    this.emit("path", { path, seam });
    if (state !== previous) this.emit("state", { state, previous });
    this.emit("change", undefined);
    this.#decide();
  }

  #keepQuality(): void {
    const same = this.engine.qualities.find((q) => q.label === this.#quality);
    if (same) void this.engine.choose(same.id).catch(() => {});
  }

  /** Reads the statistics of what is seen now. */
  async sample() {
    const figures = await this.engine.sample();
    return figures && { ...figures, window: windowLength(this.window) };
  }
}
