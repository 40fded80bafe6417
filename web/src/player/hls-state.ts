import type { PlayerState } from "./state.ts";

/** All that the state of playing LL-HLS follows from. */
export interface HlsFacts {
  running: boolean;
  /** The server has no such playlist: nobody is live. */
  missing: boolean;
  /** The playlist says that nothing more comes, and all of it was played. */
  ended: boolean;
  /** Trying again is no use. */
  failed: boolean;
  everLive: boolean;
  /** The picture moves, or stands because the viewer wants it to. */
  flowing: boolean;
  /** The playlist goes on, though the picture does not. */
  growing: boolean;
}

/** The state that the facts amount to. */
export function hlsState(f: HlsFacts): PlayerState {
  if (!f.running) return "idle";
  if (f.failed) return "error";
  if (f.ended) return "ended";
  if (f.missing) return f.everLive ? "ended" : "waiting";
  if (f.flowing) return "live";
  return f.everLive ? "reconnecting" : "connecting";
}

/** The words for a state: a heading and a line below it. */
export function hlsWords(state: PlayerState, f: HlsFacts): { title: string; detail: string } | undefined {
  switch (state) {
    case "connecting":
      return { title: "Connecting", detail: "" };
    case "waiting":
      return { title: "Waiting for the broadcaster", detail: "It starts here by itself, no need to reload." };
    case "reconnecting":
      return f.growing
        ? { title: "Loading", detail: "The network is slow." }
        : { title: "The picture stopped", detail: "Staying here until it is back." };
    case "ended":
      return { title: "The broadcast has ended", detail: "Should it go on, it plays here by itself." };
    case "error":
      return { title: "Cannot play this stream", detail: "" };
    default:
      return undefined;
  }
}

/** The address of the playlist with the token, which a player cannot send as a header. */
export function withToken(url: string, token: string | undefined): string {
  if (!token) return url;
  const address = new URL(url);
  address.searchParams.set("token", token);
  return address.href;
}

/** The LL-HLS address that belongs to a WHEP address by Freshet's scheme; undefined for other servers. */
export function hlsAddress(whep: string): string | undefined {
  const url = new URL(whep);
  const match = /^(.*)\/whep\/([A-Za-z0-9][A-Za-z0-9_-]{0,63})\/?$/.exec(url.pathname);
  return match ? new URL(`${match[1]}/hls/${match[2]}/index.m3u8`, url).href : undefined;
}
