/** The protocol of rooms, as docs/rooms.md tells it. Times are ms since 1970. Pure. */

export type Role = "viewer" | "speaker" | "moderator" | "host";

/** Somebody in a room. */
export interface Person {
  identity: string;
  name: string;
  role: Role;
}

/** What hosts and moderators choose; slowMode is in seconds, 0 is off. */
export interface Settings {
  slowMode: number;
  locked: boolean;
}

/** One thing that lasts. Absent texts are "", absent times 0. */
export interface Entry {
  seq: number;
  id: string;
  kind: string;
  at: number;
  from: Person | undefined;
  client: string;
  text: string;
  replyTo: string;
  target: string;
  mediaTime: number;
  until: number;
  settings: Settings | undefined;
}

/** How the stream does. */
export interface StreamState {
  state: "idle" | "live" | "reconnecting" | "ended";
  since: number;
  viewers: number;
}

export interface Reaction {
  emoji: string;
  count: number;
  mediaTime: number;
}

/** The people of a room; the list is there up to a hundred. */
export interface People {
  count: number;
  list: Person[] | undefined;
}

export interface Hello {
  type: "hello";
  position: string;
  resumed: boolean;
  now: number;
  you: Person;
  /** The commands that the role allows. */
  may: readonly string[];
  limits: { text: number; name: number };
  settings: Settings;
  /** Until when one may not write, 0 is for good; undefined: one may. */
  muted: number | undefined;
  pinned: Entry | undefined;
  bans: readonly Entry[];
  entries: readonly Entry[];
}

export interface Events {
  type: "events";
  position: string;
  entries: readonly Entry[];
}

export interface State {
  type: "state";
  people: People | undefined;
  reactions: readonly Reaction[];
  stream: StreamState | undefined;
}

export interface Ack {
  type: "ack";
  id: string;
  entry: string;
}

export interface Refused {
  type: "refused";
  id: string;
  reason: string;
  detail: string;
  /** Seconds; 0 where waiting does not help. */
  retryAfter: number;
}

export type Frame = Hello | Events | State | Ack | Refused;

/** What a client asks for. */
export type Command =
  | { type: "message" | "announce"; text: string; replyTo?: string; mediaTime?: number }
  | { type: "react"; emoji: string; mediaTime?: number }
  | { type: "name"; name: string }
  | { type: "pin" | "delete"; target: string }
  | { type: "clear" }
  | ({ type: "settings" } & Settings)
  | { type: "mute" | "unmute" | "unban"; target: string; seconds?: number; reason?: string }
  | { type: "ban"; target: string; seconds?: number; address?: boolean; reason?: string };

const ROLES: readonly string[] = ["viewer", "speaker", "moderator", "host"];
const STATES: readonly string[] = ["idle", "live", "reconnecting", "ended"];

type Fields = Record<string, unknown>;

/** Reads one frame; undefined is one that we do not know or that is broken. It never throws. */
export function parseFrame(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    return undefined;
  }
  if (!isFields(frame)) return undefined;
  switch (frame.type) {
    case "hello":
      return hello(frame);
    case "events":
      return { type: "events", position: text(frame.position), entries: entries(frame.entries) };
    case "state":
      return {
        type: "state",
        people: people(frame.people),
        reactions: list(frame.reactions).flatMap(reaction),
        stream: stream(frame.stream),
      };
    case "ack":
      return { type: "ack", id: text(frame.id), entry: text(frame.entry) };
    case "refused":
      return {
        type: "refused",
        id: text(frame.id),
        reason: text(frame.reason),
        detail: text(frame.detail),
        retryAfter: number(frame.retryAfter),
      };
    default:
      return undefined;
  }
}

function hello(f: Fields): Hello | undefined {
  const you = person(f.you);
  if (!you) return undefined;
  const limits = isFields(f.limits) ? f.limits : {};
  return {
    type: "hello",
    position: text(f.position),
    resumed: f.resumed === true,
    now: number(f.now),
    you,
    may: list(f.may).map(text),
    limits: { text: number(limits.text) || 500, name: number(limits.name) || 40 },
    settings: settings(f.settings) ?? { slowMode: 0, locked: false },
    muted: isFields(f.muted) ? number(f.muted.until) : undefined,
    pinned: entry(f.pinned),
    bans: entries(f.bans),
    entries: entries(f.entries),
  };
}

function entry(value: unknown): Entry | undefined {
  if (!isFields(value)) return undefined;
  const id = text(value.id);
  if (!id) return undefined;
  return {
    seq: number(value.seq),
    id,
    kind: text(value.kind),
    at: number(value.at),
    from: person(value.from),
    client: text(value.client),
    text: text(value.text),
    replyTo: text(value.replyTo),
    target: text(value.target),
    mediaTime: number(value.mediaTime),
    until: number(value.until),
    settings: settings(value.settings),
  };
}

function entries(value: unknown): Entry[] {
  return list(value).flatMap((e) => entry(e) ?? []);
}

function person(value: unknown): Person | undefined {
  if (!isFields(value)) return undefined;
  const role = ROLES.includes(text(value.role)) ? (value.role as Role) : "viewer";
  const identity = text(value.identity);
  return { identity, name: text(value.name) || identity, role };
}

function settings(value: unknown): Settings | undefined {
  if (!isFields(value)) return undefined;
  return { slowMode: number(value.slowMode), locked: value.locked === true };
}

function people(value: unknown): People | undefined {
  if (!isFields(value)) return undefined;
  const known = Array.isArray(value.list);
  return {
    count: number(value.count),
    list: known ? list(value.list).flatMap((p) => person(p) ?? []) : undefined,
  };
}

function reaction(value: unknown): Reaction[] {
  if (!isFields(value) || !text(value.emoji)) return [];
  const { emoji, count, mediaTime } = value;
  return [{ emoji: text(emoji), count: Math.max(1, number(count)), mediaTime: number(mediaTime) }];
}

function stream(value: unknown): StreamState | undefined {
  if (!isFields(value) || !STATES.includes(text(value.state))) return undefined;
  return {
    state: value.state as StreamState["state"],
    since: number(value.since),
    viewers: number(value.viewers),
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}
