import { Emitter } from "./wire/emitter.ts";
import { subscribe } from "./wire/events.ts";
import { layerRequest, parseLayers, type QualityLayer } from "./wire/layers.ts";
import { EXT_EVENTS, EXT_LAYER, findAlternate, findLink } from "./wire/link.ts";
import { Peer, type PeerState } from "./wire/peer.ts";
import { RequestError } from "./wire/problem.ts";
import { sections, stereoOpus, videoCodecs } from "./wire/sdp.ts";
import { type HttpSession, request } from "./wire/session.ts";

/** What the server said about the publication behind a session. */
export type PublicationState = "unknown" | "active" | "inactive";

/** The events of a WhepClient. */
export interface WhepEvents {
  state: { state: PeerState; reason?: Error };
  /** The publication began or ended; the session stays. */
  publication: { state: PublicationState; data: unknown };
  /** The layers that there are, highest first. */
  layers: QualityLayer[];
  viewers: number;
  /** The server has named another way to watch: an LL-HLS address. */
  alternate: string;
  /** A session is open; tells what the answer has of each medium. */
  opened: { audio: boolean; video: boolean; offered: string[]; hasEvents: boolean };
}

const EVENTS = ["active", "inactive", "layers", "viewercount"];

/**
 * A WHEP viewer (draft-ietf-wish-whep with the server-sent-events and layer
 * extensions) that repairs its own connection. Its `media` stays the same
 * object for life; tracks come and go in it.
 */
export class WhepClient extends Emitter<WhepEvents> {
  readonly media = new MediaStream();
  #peer: Peer | undefined;
  #session: HttpSession | undefined;
  #chosen: string | undefined;
  #layers: QualityLayer[] = [];
  readonly #leave = () => void this.#peer?.stop(true);

  constructor(
    readonly endpoint: string,
    readonly token?: string,
  ) {
    super();
  }

  get state(): PeerState {
    return this.#peer?.state ?? "idle";
  }

  get connection(): RTCPeerConnection | undefined {
    return this.#peer?.connection;
  }

  /** The layers of the last event, highest first. */
  get layers(): QualityLayer[] {
    return this.#layers;
  }

  /** The id of the layer asked for; undefined is automatic. */
  get chosen(): string | undefined {
    return this.#chosen;
  }

  /** Starts to play, and keeps trying until stop. */
  play(): void {
    if (this.#peer) return;
    this.#peer = new Peer(this.endpoint, this.token, {
      setup: (pc) => this.#setup(pc),
      editOffer: stereoOpus,
      opened: (session, pc, signal) => this.#opened(session, pc, signal),
      changed: (state, reason) => this.#changed(state, reason),
      closing: () => this.#clear(),
    });
    this.#peer.start();
    globalThis.addEventListener("pagehide", this.#leave);
  }

  /** Leaves the session; play may be called again. */
  async stop(): Promise<void> {
    globalThis.removeEventListener("pagehide", this.#leave);
    const peer = this.#peer;
    this.#peer = undefined;
    await peer?.stop();
  }

  /** Asks for a layer by its id, or for automatic choice. Throws RequestError. */
  async choose(id: string | undefined): Promise<void> {
    const layer = this.#layers.find((l) => l.id === id);
    const session = this.#session;
    const link = session && findLink(session.links, EXT_LAYER);
    if (!link) throw new Error("This server does not let viewers choose.");
    const mediaId = layer?.mediaId ?? videoSection(session)?.mid ?? "0";
    const body = JSON.stringify(layerRequest(mediaId, layer));
    const headers = { "Content-Type": "application/json" };
    await request(session.resolve(link), { method: "POST", headers, body, token: this.token });
    this.#chosen = layer?.id;
  }

  #changed(state: PeerState, reason: Error | undefined): void {
    const refused = reason instanceof RequestError ? findAlternate(reason.links) : undefined;
    if (refused) this.emit("alternate", new URL(refused.target, this.endpoint).href);
    this.emit("state", reason ? { state, reason } : { state });
  }

  #setup(pc: RTCPeerConnection): void {
    for (const kind of ["audio", "video"] as const) {
      const { receiver } = pc.addTransceiver(kind, { direction: "recvonly" });
      this.media.addTrack(receiver.track);
    }
  }

  /** Takes the tracks out before they end: for an ended track browsers paint black over the last picture. */
  #clear(): void {
    for (const track of this.media.getTracks()) this.media.removeTrack(track);
  }

  #opened(session: HttpSession, pc: RTCPeerConnection, signal: AbortSignal): void {
    this.#session = session;
    this.#layers = [];
    const open = (kind: string) => sections(session.answer).some((s) => s.kind === kind && s.open);
    const events = findLink(session.links, EXT_EVENTS);
    const alternate = findAlternate(session.links);
    if (alternate) this.emit("alternate", session.resolve(alternate));
    this.emit("opened", {
      audio: open("audio"),
      video: open("video"),
      offered: videoCodecs(pc.localDescription?.sdp ?? ""),
      hasEvents: events !== undefined,
    });
    if (!events) return;
    const offered = events.params.events?.split(",").map((name) => name.trim());
    const names = EVENTS.filter((name) => !offered || offered.includes(name));
    void subscribe(session.resolve(events), names, this.token, signal, ({ type, data }) => {
      this.#event(type, data, session);
    });
  }

  #event(type: string, data: unknown, session: HttpSession): void {
    if (type === "active" || type === "inactive") this.emit("publication", { state: type, data });
    if (type === "viewercount") {
      const count = (data as { viewercount?: unknown } | null)?.viewercount;
      if (typeof count === "number") this.emit("viewers", count);
    }
    if (type === "layers") {
      const first = this.#layers.length === 0;
      this.#layers = parseLayers(data, session.answer);
      this.emit("layers", this.#layers);
      // A new session starts automatic: ask again for what was chosen before.
      if (first && this.#chosen) this.choose(this.#chosen).catch(() => {});
    }
  }
}

function videoSection(session: HttpSession) {
  return sections(session.answer).find((section) => section.kind === "video");
}
