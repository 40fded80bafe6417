import { type PublicationState, WhepClient } from "../whep.ts";
import { Emitter } from "../wire/emitter.ts";
import type { QualityLayer } from "../wire/layers.ts";
import { RequestError } from "../wire/problem.ts";
import { type Reading, readStats } from "../wire/stats.ts";
import { figures, type PlayerFigures } from "./figures.ts";
import { type Facts, type PlayerState, playerState } from "./state.ts";

/** The events of a Watcher. */
export interface WatcherEvents {
  /** Anything shown may have changed. */
  change: undefined;
  state: { state: PlayerState; previous: PlayerState };
  /** The first picture (or sound) of this source, ms after play began. */
  first: number;
}

/** How often statistics are read, in ms: more often while waiting for media. */
const LIVE_INTERVAL = 1000;
const EAGER_INTERVAL = 400;
/** Media that stays away this long has stopped, in ms. */
const QUIET = 2500;
/** An active publication without a picture for this long cannot be decoded here, in ms. */
const UNDECODABLE = 6000;

/** What stands behind the player's face: one WHEP client and what it amounts to. */
export class Watcher extends Emitter<WatcherEvents> {
  readonly client: WhepClient;
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
  #lastMedia = 0;
  #activeSince = 0;
  #offered: string[] = [];
  #answered = { audio: true, video: true };

  constructor(endpoint: string, token: string | undefined) {
    super();
    this.client = new WhepClient(endpoint, token);
    this.client.on("state", ({ state, reason }) => {
      if (reason) {
        this.reason = reason.message;
        this.#facts.refused = reason instanceof RequestError ? reason.status : undefined;
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
      this.#set({ publication: "unknown", away: undefined, flowing: false });
    });
  }

  get facts(): Facts {
    return this.#facts;
  }

  start(): void {
    this.#began = performance.now();
    this.client.play();
    this.#poll();
  }

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.client.stop();
  }

  /** The element has painted a new picture. */
  painted(): void {
    this.#media();
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
    this.figures = figures(before, reading);
    this.#judge(before, this.figures);
    return this.figures;
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
