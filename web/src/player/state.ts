import type { PublicationState } from "../whep.ts";
import type { PeerState } from "../wire/peer.ts";

/** What the player shows of itself; also its data-state. */
export type PlayerState = "idle" | "connecting" | "waiting" | "live" | "reconnecting" | "ended" | "error";

/** All that the player's state follows from. Times are of one clock, in ms. */
export interface Facts {
  peer: PeerState;
  /** The HTTP status of the last refusal; undefined after a success. */
  refused: number | undefined;
  publication: PublicationState;
  /** What the server says of a publication that is inactive: whether it may still come back. */
  away: "reconnecting" | "ended" | undefined;
  /** When the publication ended or the media stopped. */
  quietSince: number | undefined;
  /** Whether media has ever been shown for this source. */
  everLive: boolean;
  /** Whether media arrives at present. */
  flowing: boolean;
  /** When the media path last came up. */
  connectedAt: number;
  now: number;
}

/** How long a broadcaster may be away before the player says "ended", in ms: the server's reconnect window. */
export const RECONNECT_WINDOW = 30_000;

/** The server's events come this soon after the path is up, in ms. */
const EVENTS_DUE = 1500;

/** The state that the facts amount to. */
export function playerState(f: Facts): PlayerState {
  if (f.peer === "failed") return "error";
  if (f.peer === "idle" || f.peer === "closed") return "idle";
  // 409 is how a server without admission says that nobody is live (E51).
  if (f.refused === 409) return absent(f);
  if (f.peer === "reconnecting") return "reconnecting";
  if (f.peer === "connecting") return f.everLive ? "reconnecting" : "connecting";
  if (f.publication === "inactive") return absent(f);
  if (f.flowing) return "live";
  if (f.everLive) return f.publication === "unknown" ? absent(f) : "reconnecting";
  const early = f.publication === "unknown" && f.now - f.connectedAt < EVENTS_DUE;
  return f.publication === "active" || early ? "connecting" : "waiting";
}

/** The broadcaster is away: not here yet, back soon, or gone. */
function absent(f: Facts): PlayerState {
  if (!f.everLive) return "waiting";
  if (f.away) return f.away;
  const away = f.quietSince === undefined ? 0 : f.now - f.quietSince;
  return away < RECONNECT_WINDOW ? "reconnecting" : "ended";
}

/** The words for a state: a heading and a line below it. */
export function stateText(state: PlayerState, f: Facts): { title: string; detail: string } | undefined {
  switch (state) {
    case "connecting":
      return { title: "Connecting", detail: "" };
    case "waiting":
      return { title: "Waiting for the broadcaster", detail: "It starts here by itself, no need to reload." };
    case "reconnecting":
      if (f.peer !== "connected")
        return { title: "Reconnecting", detail: "The connection to the server broke." };
      return f.publication === "inactive"
        ? { title: "The broadcaster is away", detail: "Staying here until the picture is back." }
        : { title: "The picture stopped", detail: "Staying here until it is back." };
    case "ended":
      return { title: "The broadcast has ended", detail: "Should it go on, it plays here by itself." };
    case "error":
      return { title: "Cannot play this stream", detail: "" };
    default:
      return undefined;
  }
}
