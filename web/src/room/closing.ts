/** What to do when a connection to a room has ended. Pure. */

/** What an end means. */
export interface Closing {
  /** Whether to come again, and whether at once or after the backoff. */
  again: "soon" | "later" | "never";
  /** Why one was sent away, for people; "" where it just broke. */
  words: string;
  /** Where to go on reading, where the server told. */
  position: string | undefined;
  banned: boolean;
}

const FINAL: Record<number, string> = {
  1008: "The server did not understand this page. Reload it to come back.",
  1009: "The server did not understand this page. Reload it to come back.",
  4001: "You have been banned from this stream.",
  4003: "You have been removed from this room.",
  4013: "This room is open in too many of your windows.",
};

/** Reads the code and reason of a close frame (docs/rooms.md). */
export function closing(code: number, reason: string): Closing {
  const words = FINAL[code] ?? "";
  const position = /(?:^|\s)resume=(\S+)/.exec(reason)?.[1];
  const soon = code === 1001 || code === 4008;
  return { again: words ? "never" : soon ? "soon" : "later", words, position, banned: code === 4001 };
}
