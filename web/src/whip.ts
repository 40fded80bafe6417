import { activeFlags, LayerPauser } from "./publish/pauser.ts";
import { Emitter } from "./wire/emitter.ts";
import { listen } from "./wire/events.ts";
import { parseHealth, parseUnwatched, type Verdict } from "./wire/health.ts";
import { EXT_PUBLISHER_EVENTS, findLink } from "./wire/link.ts";
import { Peer, type PeerState } from "./wire/peer.ts";
import type { RequestError } from "./wire/problem.ts";
import { stereoOpus } from "./wire/sdp.ts";
import type { HttpSession } from "./wire/session.ts";

/** How a WhipClient publishes. */
export interface PublishOptions {
  /** Access token with the publish grant. */
  token?: string;
  /** Video encodings, lowest first; more than one needs RIDs. */
  encodings?: RTCRtpEncodingParameters[];
  /** Codecs to offer for video, in order of preference; all when left out. */
  videoCodecs?: RTCRtpCodec[];
  /** Highest audio bitrate in bit/s. */
  audioBitrate?: number;
  /** Set to false to send layers that nobody watches, too. */
  pauseUnwatched?: boolean;
}

/** The events of a WhipClient. */
export interface WhipEvents {
  state: { state: PeerState; reason?: Error };
  /** What the server says about the broadcast; empty while it says nothing. */
  health: Verdict[];
  /** The RIDs of the layers that are paused, as nobody watches them. */
  paused: ReadonlySet<string>;
}

/**
 * A WHIP publisher (RFC 9725) that repairs its own connection: ICE restart
 * first, a new session after that, until `end`.
 */
export class WhipClient extends Emitter<WhipEvents> {
  #peer: Peer | undefined;
  #media: MediaStream | undefined;
  readonly #leave = () => void this.#peer?.stop(true);

  constructor(readonly endpoint: string) {
    super();
  }

  get state(): PeerState {
    return this.#peer?.state ?? "idle";
  }

  get connection(): RTCPeerConnection | undefined {
    return this.#peer?.connection;
  }

  /** Goes live with the first audio and the first video track of `media`. */
  publish(media: MediaStream, options: PublishOptions = {}): void {
    void this.end();
    this.#media = media;
    this.#peer = new Peer(this.endpoint, options.token, {
      setup: (pc) => addTracks(pc, this.#media ?? media, options),
      editOffer: stereoOpus,
      editAnswer: stereoOpus,
      opened: (session, pc, signal) => {
        const edit = editor(pc);
        // Frames go before pixels. Otherwise Chromium spends its first ten
        // seconds at a third of the resolution.
        edit((parameters) => {
          parameters.degradationPreference = "maintain-resolution";
        });
        this.#listen(session, edit, signal, options);
      },
      changed: (state, reason) => this.emit("state", reason ? { state, reason } : { state }),
      dismissed: "The server ended this broadcast, or it goes on from another page or encoder.",
      // A taken name is final at first; later it is our own old session.
      isFinal: (error: RequestError, everConnected) => error.status === 409 && !everConnected,
    });
    this.#peer.start();
    globalThis.addEventListener("pagehide", this.#leave);
  }

  /** Follows what the server tells of the session, if it does. */
  #listen(session: HttpSession, edit: Editor, signal: AbortSignal, options: PublishOptions): void {
    this.emit("health", []);
    this.emit("paused", new Set());
    const link = findLink(session.links, EXT_PUBLISHER_EVENTS);
    if (!link) return;
    const pauser = new LayerPauser((paused) => {
      if (signal.aborted) return;
      edit((parameters) => {
        const flags = activeFlags(parameters.encodings, paused);
        parameters.encodings.forEach((e, i) => {
          e.active = flags[i] ?? true;
        });
      });
      this.emit("paused", paused);
    });
    const take = ({ type, data }: { type: string; data: unknown }) => {
      const unwatched = type === "unwatched" ? parseUnwatched(data) : undefined;
      if (unwatched && options.pauseUnwatched !== false) pauser.update(unwatched);
      if (type === "health") this.emit("health", parseHealth(data));
    };
    // Nobody knows who watches when the stream is down: send everything.
    const lost = () => pauser.update([]);
    signal.addEventListener("abort", lost);
    void listen(session.resolve(link), options.token, signal, take, lost);
  }

  /** Sends other tracks from now on, without a new session. */
  async replaceMedia(media: MediaStream): Promise<void> {
    this.#media = media;
    const senders = this.connection?.getTransceivers() ?? [];
    await Promise.all(
      senders.map(({ sender, receiver }) => {
        const track = media.getTracks().find((t) => t.kind === receiver.track.kind);
        return track ? sender.replaceTrack(track) : undefined;
      }),
    );
  }

  /** Ends the broadcast at the server. */
  async end(): Promise<void> {
    globalThis.removeEventListener("pagehide", this.#leave);
    const peer = this.#peer;
    this.#peer = undefined;
    await peer?.stop();
  }
}

function addTracks(pc: RTCPeerConnection, media: MediaStream, options: PublishOptions): void {
  const audio = media.getAudioTracks()[0];
  if (audio) {
    const sendEncodings = [{ maxBitrate: options.audioBitrate ?? 128_000 }];
    pc.addTransceiver(audio, { direction: "sendonly", streams: [media], sendEncodings });
  }
  const video = media.getVideoTracks()[0];
  if (!video) return;
  const transceiver = pc.addTransceiver(video, {
    direction: "sendonly",
    streams: [media],
    sendEncodings: options.encodings ?? [{}],
  });
  if (options.videoCodecs?.length) transceiver.setCodecPreferences?.(options.videoCodecs);
}

type Editor = (change: (parameters: RTCRtpSendParameters) => void) => void;

/**
 * Returns what changes the parameters of the connection's video, one change
 * after the other: the API refuses those that overlap.
 */
function editor(pc: RTCPeerConnection): Editor {
  let turn: Promise<unknown> = Promise.resolve();
  return (change) => {
    for (const sender of pc.getSenders()) {
      if (sender.track?.kind !== "video") continue;
      turn = turn.then(() => {
        const parameters = sender.getParameters();
        change(parameters);
        return sender.setParameters(parameters).catch(() => {});
      });
    }
  };
}
