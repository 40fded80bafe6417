import { type Reading, rate } from "../wire/stats.ts";

/** One line of the live table. */
export interface LayerRow {
  /** RID, or "video" / "audio" where there is one encoding. */
  name: string;
  kind: string;
  codec: string;
  width: number;
  height: number;
  fps: number;
  /** bit/s. */
  bitrate: number;
  /** Seconds; undefined before the first receiver report. */
  rtt: number | undefined;
  /** Fraction 0..1; undefined before the first receiver report. */
  loss: number | undefined;
  /** "none", "cpu", "bandwidth" or "other" (webrtc-stats). */
  limitation: string;
  keyframes: number;
  /** False while the layer is paused. */
  active: boolean;
}

/**
 * What an encoder made of what was sent under its SSRC: Chromium counts the
 * padding of its bandwidth probes, several times the lowest layer, as that
 * layer's. Only the encoder's target tells that it cannot all be picture.
 */
const own = (bitrate: number, target: number): number => (target > 0 ? Math.min(bitrate, target) : bitrate);

const ORDER = ["f", "h", "q"];

/** The table of what is being sent, highest layer first, audio last. */
export function layerRows(before: Reading | undefined, after: Reading): LayerRow[] {
  return after.streams
    .map((stream): LayerRow => {
      const then = before?.streams.find((s) => s.id === stream.id);
      return {
        name: stream.rid || stream.kind,
        kind: stream.kind,
        codec: stream.codec,
        width: stream.width,
        height: stream.height,
        fps: stream.fps,
        bitrate: own(rate(then, stream).bitrate, stream.target),
        rtt: stream.remoteRtt ?? after.rtt,
        loss: stream.remoteLoss,
        limitation: stream.limitation,
        keyframes: stream.keyframes,
        active: stream.active,
      };
    })
    .sort((a, b) => b.kind.localeCompare(a.kind) || ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
}
