import { HlsEngine, type HlsOptions } from "./hls.ts";
import type { PlaylistEngine } from "./hls-base.ts";
import { NativeEngine } from "./native.ts";

const TYPE = "application/vnd.apple.mpegurl";

/** Media Source Extensions, as iPhones have them, too, since iOS 17.1. */
function hasMediaSource(): boolean {
  return "MediaSource" in globalThis || "ManagedMediaSource" in globalThis;
}

/** Whether this browser can play LL-HLS one way or the other. */
export function playlistPlayable(): boolean {
  return hasMediaSource() || document.createElement("video").canPlayType(TYPE) !== "";
}

/** The engine that this browser can run. */
export function playlistEngine(url: string, token: string | undefined, options: HlsOptions): PlaylistEngine {
  return hasMediaSource() ? new HlsEngine(url, token, options) : new NativeEngine(url, token);
}
