/** Reads WebRTC statistics (W3C webrtc-stats) into plain figures. Pure. */

type Stat = Record<string, unknown> & { id: string; type: string; timestamp: number };

/** One RTP stream at one instant, inbound or outbound. Counters since its start. */
export interface RtpReading {
  id: string;
  kind: string;
  rid: string;
  /** ms. */
  timestamp: number;
  bytes: number;
  packets: number;
  lost: number;
  width: number;
  height: number;
  fps: number;
  frames: number;
  dropped: number;
  keyframes: number;
  freezes: number;
  /** Seconds that the picture stood still, all together. */
  frozen: number;
  /** When what is played now was captured, in ms since 1970, as the browser estimates it; inbound only. */
  playout: number | undefined;
  /** Seconds summed over `jitterCount` samples. */
  jitterDelay: number;
  jitterCount: number;
  codec: string;
  limitation: string;
  /** What the encoder aims at, bit/s; 0 when it does not say. Outbound only. */
  target: number;
  active: boolean;
  /** Fraction 0..1 that the other side reported lost; outbound only. */
  remoteLoss: number | undefined;
  /** Seconds; outbound only. */
  remoteRtt: number | undefined;
}

/** A whole statistics report. */
export interface Reading {
  streams: RtpReading[];
  /** Seconds, of the candidate pair in use. */
  rtt: number | undefined;
  /** "UDP", "TCP", with "via TURN" when relayed. */
  protocol: string;
  /** The SRTP profile, e.g. AEAD_AES_128_GCM. */
  cipher: string;
}

/** 1970 in NTP's ms. */
const NTP_EPOCH = 2_208_988_800_000;

const number = (value: unknown): number => (typeof value === "number" ? value : 0);
const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** Picks what is shown out of a report. */
export function readStats(report: Iterable<[string, unknown]>): Reading {
  const stats = new Map<string, Stat>();
  for (const [id, stat] of report) stats.set(id, stat as Stat);
  const all = [...stats.values()];
  const remote = new Map(
    all.filter((s) => s.type === "remote-inbound-rtp").map((s) => [text(s.localId), s] as const),
  );
  const streams = all
    .filter((s) => s.type === "inbound-rtp" || s.type === "outbound-rtp")
    .map((s) => readStream(s, stats, remote.get(s.id)));
  const transport = all.find((s) => s.type === "transport");
  const pair =
    stats.get(text(transport?.selectedCandidatePairId)) ??
    all.find((s) => s.type === "candidate-pair" && s.nominated === true && s.state === "succeeded");
  const local = stats.get(text(pair?.localCandidateId));
  const rtt = pair?.currentRoundTripTime;
  return {
    streams,
    rtt: typeof rtt === "number" ? rtt : undefined,
    protocol: protocolName(local),
    cipher: text(transport?.srtpCipher),
  };
}

function protocolName(local: Stat | undefined): string {
  const name = text(local?.protocol).toUpperCase();
  return local?.candidateType === "relay"
    ? `${text(local.relayProtocol).toUpperCase() || name} via TURN`
    : name;
}

function readStream(s: Stat, stats: Map<string, Stat>, remote: Stat | undefined): RtpReading {
  const inbound = s.type === "inbound-rtp";
  return {
    id: s.id,
    kind: text(s.kind),
    rid: text(s.rid),
    timestamp: s.timestamp,
    // Repeated packets are repair and bandwidth probes, not the layer's own rate.
    bytes: inbound ? number(s.bytesReceived) : number(s.bytesSent) - number(s.retransmittedBytesSent),
    packets: number(inbound ? s.packetsReceived : s.packetsSent),
    lost: number(inbound ? s.packetsLost : remote?.packetsLost),
    width: number(s.frameWidth),
    height: number(s.frameHeight),
    fps: number(s.framesPerSecond),
    frames: number(inbound ? s.framesDecoded : s.framesEncoded),
    dropped: number(s.framesDropped),
    keyframes: number(inbound ? s.keyFramesDecoded : s.keyFramesEncoded),
    freezes: number(s.freezeCount),
    frozen: number(s.totalFreezesDuration),
    playout:
      typeof s.estimatedPlayoutTimestamp === "number" ? unixTime(s.estimatedPlayoutTimestamp) : undefined,
    jitterDelay: number(s.jitterBufferDelay),
    jitterCount: number(s.jitterBufferEmittedCount),
    codec: text(stats.get(text(s.codecId))?.mimeType).replace(/^\w+\//, ""),
    limitation: text(s.qualityLimitationReason) || "none",
    target: number(s.targetBitrate),
    active: s.active !== false,
    remoteLoss: typeof remote?.fractionLost === "number" ? remote.fractionLost : undefined,
    remoteRtt: typeof remote?.roundTripTime === "number" ? remote.roundTripTime : undefined,
  };
}

/** NTP counts ms from 1900; some browsers have converted it already. */
function unixTime(ntp: number): number {
  return ntp > NTP_EPOCH ? ntp - NTP_EPOCH : ntp;
}

/** What changed between two readings of one RTP stream. */
export interface RtpRate {
  /** bit/s. */
  bitrate: number;
  /** Packets lost of those expected, 0..1. */
  loss: number;
  /** Mean time in the jitter buffer, ms. */
  jitterBuffer: number;
  /** Whether anything arrived or left. */
  flowing: boolean;
}

/** The rates from `before` to `after`; all zero without a usable `before`. */
export function rate(before: RtpReading | undefined, after: RtpReading): RtpRate {
  const seconds = before ? (after.timestamp - before.timestamp) / 1000 : 0;
  // A counter that went back belongs to a new session under an old id.
  if (!before || seconds <= 0 || after.bytes < before.bytes) {
    return { bitrate: 0, loss: 0, jitterBuffer: 0, flowing: false };
  }
  const packets = Math.max(0, after.packets - before.packets);
  const lost = Math.max(0, after.lost - before.lost);
  const samples = after.jitterCount - before.jitterCount;
  return {
    bitrate: ((after.bytes - before.bytes) * 8) / seconds,
    loss: packets + lost > 0 ? lost / (packets + lost) : 0,
    jitterBuffer: samples > 0 ? ((after.jitterDelay - before.jitterDelay) / samples) * 1000 : 0,
    flowing: after.bytes > before.bytes,
  };
}
