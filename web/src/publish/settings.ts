/** What the broadcast page sends, as plain values. Pure. */

/** The video codecs to choose from; the first that the browser has is taken. */
export const CODECS = ["H264", "VP8", "VP9", "AV1"] as const;
export type CodecName = (typeof CODECS)[number];

/** The capture heights to choose from, in pixels. */
export const HEIGHTS = [1080, 720, 480, 360] as const;

/** Highest bitrate of the top layer by capture height, in bit/s. */
const TOP: Record<number, number> = { 1080: 4_500_000, 720: 2_500_000, 480: 1_200_000, 360: 900_000 };

/**
 * The simulcast encodings, lowest first: a quarter, half and the whole of the
 * capture. Below 350 kbit/s Chromium's H264 encoder drops frames even of the
 * smallest layer. VP9 and AV1 need a scalability mode, or they turn
 * simulcast into SVC.
 */
export function encodings(height: number, codec: CodecName): RTCRtpEncodingParameters[] {
  const top = TOP[height] ?? 2_500_000;
  const mode = codec === "VP9" || codec === "AV1" ? { scalabilityMode: "L1T1" } : {};
  return [
    { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 350_000, ...mode },
    { rid: "h", scaleResolutionDownBy: 2, maxBitrate: Math.max(500_000, Math.round(top * 0.36)), ...mode },
    { rid: "f", scaleResolutionDownBy: 1, maxBitrate: top, ...mode },
  ] as RTCRtpEncodingParameters[];
}

const nameOf = (codec: RTCRtpCodec) => codec.mimeType.replace(/^video\//i, "").toUpperCase();

/** Which of our codecs a browser can send. */
export function available(codecs: RTCRtpCodec[]): CodecName[] {
  const names = new Set(codecs.map(nameOf));
  return CODECS.filter((name) => names.has(name));
}

/**
 * The codecs to offer for a choice. Only that one (and repair): a server that
 * prefers another would take it if it were offered. H264 goes constrained
 * baseline first, which every browser decodes.
 */
export function preferences(codecs: RTCRtpCodec[], choice: CodecName): RTCRtpCodec[] {
  const rank = (codec: RTCRtpCodec) => {
    if (nameOf(codec) !== "H264") return 3;
    const line = codec.sdpFmtpLine ?? "";
    if (!/packetization-mode=1/.test(line)) return 2;
    return /profile-level-id=42e0/i.test(line) ? 0 : 1;
  };
  const own = codecs.filter((c) => nameOf(c) === choice).sort((a, b) => rank(a) - rank(b));
  return own.length > 0 ? [...own, ...codecs.filter((c) => nameOf(c) === "RTX")] : [];
}
