import type { Entry, Person, Settings, StreamState } from "./protocol.ts";

/** A line that nobody has written. */
export interface Notice {
  text: string;
  /** The picture that it is about, in ms since 1970; 0 is none. */
  mediaTime: number;
}

/** What a Notice is written for. */
interface Reader {
  you: Person;
  moderates: boolean;
  settings: Settings;
  nameFor(identity: string): string;
}

/** Seconds in words, e.g. "10 seconds", "5 minutes". */
export function span(seconds: number): string {
  const units: [number, string][] = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const [size, unit] = units.find(([n]) => seconds >= n && seconds % n === 0) ??
    units.find(([n]) => seconds >= n * 2) ?? [1, "second"];
  const count = Math.round(seconds / size);
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** The words for what happens in a room. Pure. */
export const notice = {
  /** What an Entry says to a reader; undefined: nothing beyond itself. */
  entry(entry: Entry, reader: Reader): Notice | undefined {
    const text = words(entry, reader);
    return text ? { text, mediaTime: 0 } : undefined;
  },

  /** What has become of the stream; it shows with the picture of that time. */
  stream(before: StreamState | undefined, now: StreamState): Notice | undefined {
    if (!before || before.state === now.state) return undefined;
    const text = {
      live: before.state === "reconnecting" ? "The broadcast goes on." : "The broadcast has begun.",
      reconnecting: "The broadcaster's connection broke. Waiting for it to come back.",
      ended: "The broadcast has ended.",
      idle: "",
    }[now.state];
    return text ? { text, mediaTime: now.since } : undefined;
  },
};

function words(entry: Entry, reader: Reader): string {
  const by = entry.from?.name || "A moderator";
  const mine = entry.target !== "" && entry.target === reader.you.identity;
  const whom = reader.nameFor(entry.target);
  const length = entry.until > 0 ? ` for ${span(Math.round((entry.until - entry.at) / 1000))}` : "";
  switch (entry.kind) {
    case "cleared":
      return `${by} cleared the chat.`;
    case "changed":
      return changed(entry.settings, reader.settings);
    case "muted":
      if (mine) return `You cannot write here${length || " any more"}.`;
      return reader.moderates ? `${by} muted ${whom}${length}.` : "";
    case "unmuted":
      if (mine) return "You can write here again.";
      return reader.moderates ? `${by} lets ${whom} write again.` : "";
    case "banned":
      return reader.moderates ? `${by} banned ${whom}${length}.` : "";
    case "unbanned":
      return reader.moderates ? `${by} lifted the ban of ${whom}.` : "";
    default:
      return "";
  }
}

function changed(settings: Settings | undefined, now: Settings): string {
  const { slowMode, locked } = settings ?? now;
  if (locked) return "The room is locked: only hosts and moderators write.";
  if (slowMode > 0) return `Slow mode: one message in ${span(slowMode)}.`;
  return "The room is open to everybody.";
}
