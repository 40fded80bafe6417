import { type PublicationState, WhepClient } from "../whep.ts";
import { Emitter } from "../wire/emitter.ts";
import { layerLabel, type QualityLayer } from "../wire/layers.ts";
import { RequestError } from "../wire/problem.ts";
import { type Reading, readStats } from "../wire/stats.ts";
import { RtpClock } from "./capture.ts";
import { Delay } from "./delay.ts";
import type { Engine, EngineEvents, Quality } from "./engine.ts";
import { figures, type PlayerFigures } from "./figures.ts";
import type { WhepFacts } from "./path.ts";
import { type Facts, type PlayerState, playerState, stateText } from "./state.ts";
import { Steadiness } from "./steadiness.ts";

/** How often statistics are read, in ms: more often while waiting for media. */
const LIVE_INTERVAL = 1000;
const EAGER_INTERVAL = 400;
/** A frame older than this, in ms, says nothing of what is played now. */
const MOST_AGE = 200;
/** Media that stays away this long has stopped, in ms. */
const QUIET = 2500;
/** An active publication without a picture for this long cannot be decoded here, in ms. */
const UNDECODABLE = 6000;

/** Plays by WHEP: one client, and what it amounts to. */
export class Watcher extends Emitter<EngineEvents> implements Engine {
  readonly path = "whep";
  /** WHEP is live only. */
  readonly window = undefined;
  readonly client: WhepClient;
  /** How much later it plays than it could. */
  readonly delay = new Delay(() => this.client.connection);
  state: PlayerState = "idle";
  /** Why the last try failed, for people. */
  reason = "";
  /** A warning that does not end playing, such as a codec that cannot be decoded. */
  warning = "";
  viewers: number | undefined;
  layers: QualityLayer[] = [];
  figures: PlayerFigures | undefined;

  #facts: Facts = {
    peer: "idle",
    refused: undefined,
    publication: "unknown",
    away: undefined,
    quietSince: undefined,
    everLive: false,
    flowing: false,
    connectedAt: 0,
    now: 0,
  };
  #reading: Reading | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #began = 0;
  #started = 0;
  #lastMedia = 0;
  #activeSince = 0;
  #offered: string[] = [];
  #retryAfter: number | undefined;
  #video: HTMLVideoElement | undefined;
  #frame: VideoFrameCallbackMetadata | undefined;
  readonly #clock = new RtpClock();
  readonly #steadiness = new Steadiness();
  #answered = { audio: true, video: true };

  constructor(endpoint: string, token: string | undefined) {
    super();
    this.client = new WhepClient(endpoint, token);
    this.client.on("state", ({ state, reason }) => {
      if (reason) {
        this.reason = reason.message;
        this.#facts.refused = reason instanceof RequestError ? reason.status : undefined;
        this.#retryAfter = reason instanceof RequestError ? reason.retryAfter : undefined;
      } else if (state === "connected") {
        this.reason = "";
        this.#facts.refused = undefined;
      }
      const up = state === "connected" && this.#facts.peer !== "connected";
      this.#set(up ? { peer: state, connectedAt: performance.now() } : { peer: state });
    });
    this.client.on("publication", ({ state, data }) => this.#published(state, data));
    this.client.on("layers", (layers) => {
      this.layers = layers;
      this.emit("change", undefined);
    });
    this.client.on("viewers", (count) => {
      this.viewers = count;
      this.emit("change", undefined);
    });
    this.client.on("opened", ({ audio, video, offered }) => {
      this.#answered = { audio, video };
      this.#offered = offered;
      this.#reading = undefined;
      this.#clock.reset();
      this.delay.apply();
      this.#set({ publication: "unknown", away: undefined, flowing: false });
    });
  }

  get refused(): number | undefined {
    return this.#facts.refused;
  }

  get everLive(): boolean {
    return this.#facts.everLive;
  }

  get words(): { title: string; detail: string } | undefined {
    const text = stateText(this.state, this.#facts);
    const reason = this.state === "live" || this.#facts.refused === 409 ? "" : this.reason;
    return text && { title: text.title, detail: reason || text.detail };
  }

  get qualities(): readonly Quality[] {
    return this.layers.map((l) => ({ id: l.id, label: layerLabel(l), bitrate: l.bitrate }));
  }

  get chosen(): string | undefined {
    return this.client.chosen;
  }

  /** What the choice of the path follows from. */
  pathFacts(running: boolean): WhepFacts {
    const { peer, refused, publication } = this.#facts;
    return {
      running,
      since: this.#started,
      refused,
      retryAfter: this.#retryAfter,
      failed: peer === "failed",
      connected: peer === "connected",
      away: publication === "inactive" || refused === 409,
      ...this.#steadiness.facts(performance.now()),
    };
  }

  start(): void {
    this.#started = performance.now();
    if (!this.#facts.everLive) this.#began = this.#started;
    this.#facts.refused = undefined;
    this.#retryAfter = undefined;
    this.#steadiness.reset();
    this.client.play();
    this.#poll();
  }

  attach(video: HTMLVideoElement): void {
    this.#video = video;
    if (video.srcObject !== this.client.media) video.srcObject = this.client.media;
  }

  choose(id: string | undefined): Promise<void> {
    return this.client.choose(id);
  }

  capture(frame: VideoFrameCallbackMetadata): number | undefined {
    this.#frame = frame;
    return frame.rtpTimestamp === undefined ? undefined : this.#clock.capture(frame.rtpTimestamp);
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.delay.set(0);
    this.viewers = undefined;
    // A stream that has lost its tracks has ended for the element, even when new ones come.
    if (this.#video) this.#video.srcObject = null;
    this.#frame = undefined;
    await this.client.stop();
  }

  /** The element has painted a new picture. */
  painted(): void {
    // A track that ends without ever having had media paints black.
    if (this.#facts.peer !== "connected") return;
    if (this.#facts.flowing) this.#lastMedia = performance.now();
    else this.#media();
  }

  #published(publication: PublicationState, data: unknown): void {
    this.#activeSince = performance.now();
    if (publication === "active") {
      // Who came before the broadcaster did not wait for us until now.
      if (!this.#facts.everLive && this.state === "waiting") this.#began = performance.now();
      this.#set({ publication, away: undefined });
      return;
    }
    const said = (data as { state?: unknown } | null)?.state;
    const away = said === "reconnecting" || said === "ended" ? said : undefined;
    const quietSince = this.#facts.quietSince ?? performance.now();
    this.#set({ publication, away, quietSince, flowing: false });
  }

  #media(): void {
    const first = !this.#facts.everLive;
    this.#lastMedia = performance.now();
    this.warning = "";
    this.#set({ everLive: true, flowing: true, quietSince: undefined });
    if (first) this.emit("first", Math.round(performance.now() - this.#began));
  }

  #set(change: Partial<Facts>): void {
    this.#facts = { ...this.#facts, ...change, now: performance.now() };
    const previous = this.state;
    this.state = playerState(this.#facts);
    if (this.state !== previous) this.emit("state", { state: this.state, previous });
    this.emit("change", undefined);
  }

  #poll(): void {
    this.#timer = setTimeout(
      async () => {
        await this.sample().catch(() => {});
        if (this.#timer !== undefined) this.#poll();
      },
      this.#facts.flowing ? LIVE_INTERVAL : EAGER_INTERVAL,
    );
  }

  /** Reads the statistics now. */
  async sample(): Promise<PlayerFigures | undefined> {
    const pc = this.client.connection;
    if (pc?.connectionState !== "connected") {
      this.#reading = undefined;
      this.#set({ flowing: false });
      return this.figures;
    }
    const reading = readStats((await pc.getStats()) as unknown as Iterable<[string, unknown]>);
    const before = this.#reading;
    this.#reading = reading;
    this.#observe(reading);
    this.figures = { ...figures(before, reading), latency: this.#latency() };
    const video = reading.streams.find((s) => s.kind === "video");
    const audio = reading.streams.find((s) => s.kind === "audio");
    this.#steadiness.look(performance.now(), {
      frames: video?.codec ? video.frames : (audio?.packets ?? 0),
      frozen: (video?.frozen ?? 0) * 1000,
    });
    this.#judge(before, this.figures);
    return this.figures;
  }

  /** Learns the time of capture from the browser's estimate for what it plays. */
  #observe(reading: Reading): void {
    const video = reading.streams.find((s) => s.kind === "video");
    const frame = this.#frame;
    if (video?.playout === undefined || frame?.rtpTimestamp === undefined) return;
    // The estimate is for the instant of the reading, the frame was there before.
    const age = video.timestamp - (performance.timeOrigin + frame.presentationTime);
    if (age >= 0 && age < MOST_AGE) this.#clock.observe(frame.rtpTimestamp, video.playout - age);
  }

  #latency(): number | undefined {
    const frame = this.#frame;
    const capture = frame?.rtpTimestamp === undefined ? undefined : this.#clock.capture(frame.rtpTimestamp);
    if (!frame || capture === undefined) return undefined;
    return Math.max(0, (performance.timeOrigin + frame.expectedDisplayTime - capture) / 1000);
  }

  #judge(before: Reading | undefined, now: PlayerFigures): void {
    const audioOnly = now.videoCodec === "" && now.flowing;
    const decoded = now.framesDecoded > (before?.streams.find((s) => s.kind === "video")?.frames ?? 0);
    if (before && (decoded || (audioOnly && this.#facts.publication !== "inactive"))) this.#media();
    else if (this.#facts.flowing && performance.now() - this.#lastMedia > QUIET) {
      this.#set({ flowing: false, quietSince: this.#lastMedia });
    } else this.#set({});
    if (audioOnly || !this.#facts.everLive) this.#warn(now);
  }

  /** Says so when there is a picture that this browser cannot show. */
  #warn(now: PlayerFigures): void {
    const waited = performance.now() - this.#activeSince > UNDECODABLE;
    if (this.#facts.publication !== "active" || !waited) return;
    if (this.layers.length === 0 || now.framesDecoded > 0) return;
    const missing = ["H264", "VP8", "VP9", "AV1"].filter((name) => !this.#offered.includes(name));
    if (missing.length === 0 && this.#answered.video) return;
    this.warning = `This browser cannot decode ${missing[0] ?? "the video of this broadcast"}.`;
    this.emit("change", undefined);
  }
}
