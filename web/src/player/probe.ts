import { request } from "../wire/session.ts";
import { withToken } from "./hls-state.ts";
import { readPlaylist } from "./window.ts";

/** What a look at an HLS address tells. */
export interface Probe {
  /** How far the playlist goes back, in seconds. */
  seconds: number;
  /** Whether more will come. */
  live: boolean;
}

/** Reads the playlists once, without playing them. Throws RequestError when they cannot be had. */
export async function probe(url: string, token: string | undefined, signal: AbortSignal): Promise<Probe> {
  let address = withToken(url, token);
  for (let depth = 0; ; depth++) {
    const response = await request(address, { signal });
    const text = await response.text();
    const found = readPlaylist(text);
    if (!("next" in found)) return { ...found, live: !/^#EXT-X-ENDLIST/m.test(text) };
    if (depth > 0) return { seconds: 0, live: true };
    address = new URL(found.next, response.url || address).href;
  }
}
