import { Emitter } from "./wire/emitter.ts";
import { Peer, type PeerState } from "./wire/peer.ts";
import type { RequestError } from "./wire/problem.ts";
import { stereoOpus } from "./wire/sdp.ts";

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
}

/** The events of a WhipClient. */
export interface WhipEvents {
  state: { state: PeerState; reason?: Error };
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
      opened: (_session, pc) => preferResolution(pc),
      changed: (state, reason) => this.emit("state", reason ? { state, reason } : { state }),
      dismissed: "The server ended this broadcast, or it goes on from another page or encoder.",
      // A taken name is final at first; later it is our own old session.
      isFinal: (error: RequestError, everConnected) => error.status === 409 && !everConnected,
    });
    this.#peer.start();
    globalThis.addEventListener("pagehide", this.#leave);
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

/**
 * Tells the encoder to give up frames before pixels. Otherwise Chromium spends
 * its first ten seconds at a third of the resolution.
 */
function preferResolution(pc: RTCPeerConnection): void {
  for (const sender of pc.getSenders()) {
    if (sender.track?.kind !== "video") continue;
    const parameters = sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    sender.setParameters(parameters).catch(() => {});
  }
}
