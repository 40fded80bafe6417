import type Hls from "hls.js";
import { type Reading, type RtpRate, type RtpReading, rate } from "../wire/stats.ts";
import type { Path } from "./path.ts";
import type { Pilot } from "./pilot.ts";

/** What `player.stats()` returns and the overlay shows. */
export interface PlayerFigures {
  path: Path;
  /** Seconds from capture to screen; undefined while unknown. */
  latency: number | undefined;
  /** Media ahead of the playhead in seconds. */
  buffer: number;
  /** What the network carries, bit/s; undefined while unknown. */
  throughput: number | undefined;
  /** How often loading had to be set going again. */
  unstuck: number;
  width: number;
  height: number;
  fps: number;
  /** bit/s. */
  videoBitrate: number;
  audioBitrate: number;
  /** Lost of expected in the last interval, 0..1, and all together. */
  loss: number;
  packetsLost: number;
  /** ms. */
  jitterBuffer: number;
  /** Seconds; undefined while unknown. */
  rtt: number | undefined;
  videoCodec: string;
  audioCodec: string;
  framesDecoded: number;
  framesDropped: number;
  keyframes: number;
  freezes: number;
  protocol: string;
  cipher: string;
  /** Whether media came in since the reading before. */
  flowing: boolean;
}

/** Compares two readings of a viewer's connection. */
export function figures(before: Reading | undefined, after: Reading): PlayerFigures {
  const of = (reading: Reading | undefined, kind: string): RtpReading | undefined =>
    reading?.streams.find((s) => s.kind === kind);
  const rates = (kind: string): RtpRate | undefined => {
    const now = of(after, kind);
    const then = of(before, kind);
    return now && rate(then?.id === now.id ? then : undefined, now);
  };
  const video = of(after, "video");
  const audio = of(after, "audio");
  const videoRate = rates("video");
  const audioRate = rates("audio");
  return {
    path: "whep",
    throughput: undefined,
    unstuck: 0,
    latency: undefined,
    buffer: ((videoRate ?? audioRate)?.jitterBuffer ?? 0) / 1000,
    width: video?.width ?? 0,
    height: video?.height ?? 0,
    fps: video?.fps ?? 0,
    videoBitrate: videoRate?.bitrate ?? 0,
    audioBitrate: audioRate?.bitrate ?? 0,
    loss: Math.max(videoRate?.loss ?? 0, audioRate?.loss ?? 0),
    packetsLost: (video?.lost ?? 0) + (audio?.lost ?? 0),
    jitterBuffer: (videoRate ?? audioRate)?.jitterBuffer ?? 0,
    rtt: after.rtt,
    videoCodec: video?.codec ?? "",
    audioCodec: audio?.codec ?? "",
    framesDecoded: video?.frames ?? 0,
    framesDropped: video?.dropped ?? 0,
    keyframes: video?.keyframes ?? 0,
    freezes: video?.freezes ?? 0,
    protocol: after.protocol,
    cipher: after.cipher,
    flowing: Boolean(videoRate?.flowing || audioRate?.flowing),
  };
}

/** What any video element tells of itself; `before` are the figures of the last time. */
export function plainFigures(
  video: HTMLVideoElement,
  latency: number | undefined,
  before: PlayerFigures | undefined,
): PlayerFigures {
  const quality = video.getVideoPlaybackQuality?.();
  const decoded = quality?.totalVideoFrames ?? 0;
  return {
    path: "hls",
    throughput: undefined,
    unstuck: 0,
    latency,
    buffer: 0,
    width: video.videoWidth,
    height: video.videoHeight,
    fps: 0,
    videoBitrate: 0,
    audioBitrate: 0,
    loss: 0,
    packetsLost: 0,
    jitterBuffer: 0,
    rtt: undefined,
    videoCodec: "",
    audioCodec: "",
    framesDecoded: decoded,
    framesDropped: quality?.droppedVideoFrames ?? 0,
    keyframes: 0,
    freezes: 0,
    protocol: "HLS",
    cipher: "",
    flowing: decoded > (before?.framesDecoded ?? 0),
  };
}

/** What hls.js tells beyond that. */
export function hlsFigures(
  hls: Hls,
  pilot: Pilot,
  video: HTMLVideoElement,
  before: PlayerFigures | undefined,
): PlayerFigures {
  const level = hls.levels[hls.currentLevel];
  return {
    ...plainFigures(video, pilot.behind, before),
    buffer: pilot.buffer,
    throughput: pilot.levels.throughput,
    unstuck: pilot.unstuck,
    fps: level?.frameRate ?? 0,
    videoBitrate: level?.averageBitrate ?? 0,
    videoCodec: level?.videoCodec ?? "",
    audioCodec: level?.audioCodec ?? "",
    freezes: pilot.stalls,
    protocol: hls.latestLevelDetails?.partTarget ? "LL-HLS" : "HLS",
  };
}
