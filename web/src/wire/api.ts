import type { Verdict } from "./health.ts";
import { request } from "./session.ts";

/** One layer as the API tells it. */
export interface ApiLayer {
  rid: string;
  active: boolean;
  /** False while nobody watches it; the publisher may have paused it. */
  wanted: boolean;
  /** bit/s. */
  bitrate: number;
  width?: number;
  height?: number;
  frameRate?: number;
  packets: number;
  lost: number;
}

/** One stream of GET /api/v1/streams. */
export interface ApiStream {
  name: string;
  state: "idle" | "live" | "reconnecting" | "ended";
  /** When the state began, RFC 3339. */
  since: string;
  viewers: number;
  publisher: { since: string; rttMs: number } | null;
  /** What is judged of the publisher, in a fixed order. */
  health: Verdict[];
  audio: { codec: string; bitrate: number } | null;
  video: { codec: string; layers: ApiLayer[] } | null;
}

/** All streams of the server. Throws RequestError; 401 and 403 ask for another token. */
export async function listStreams(token: string | undefined, signal: AbortSignal): Promise<ApiStream[]> {
  const all: ApiStream[] = [];
  let next: string | undefined;
  do {
    const cursor: string = next ? `&cursor=${encodeURIComponent(next)}` : "";
    const response = await request(`/api/v1/streams?limit=1000${cursor}`, { token, signal, timeout: 5000 });
    const body = (await response.json()) as { streams?: ApiStream[]; next?: string };
    all.push(...(body.streams ?? []));
    next = body.next;
  } while (next);
  return all.toSorted((a, b) => a.name.localeCompare(b.name));
}
