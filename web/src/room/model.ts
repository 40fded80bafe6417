import { Emitter } from "../wire/emitter.ts";
import { type Changes, Chat, type Line } from "./chat.ts";
import type { RoomClient, Standing } from "./client.ts";
import { isLine, type Sent } from "./outbox.ts";
import type { Command, Entry, Reaction, Refused } from "./protocol.ts";
import { type Moment, type Timed, Timeline } from "./timeline.ts";

/** What the player tells: the frame that is seen and how. */
export interface Picture {
  /** ms since 1970; undefined while unknown. */
  readonly captured: number | undefined;
  readonly path: "whep" | "hls";
  readonly atLive: boolean;
  /** As data-state of the player. */
  readonly state: string;
}

/** A player in one of these states shows a picture, though it may stand. */
const SHOWING = ["live", "reconnecting"];

export interface ModelEvents {
  /** Anything shown may have changed. */
  change: undefined;
  /** Lines that have just come into view, to be read out. */
  said: readonly Line[];
  reactions: readonly { emoji: string; count: number }[];
  /** Something for the user alone, e.g. why a command was refused. */
  told: string;
  over: { reason: string; banned: boolean };
}

/** A line of one's own that the server has not taken yet. */
export interface Pending extends Line {
  sent: Sent;
}

/** How often the picture is looked at while something may wait for it, in ms. */
const STEP = 100;

/** A room as one page shows it: the client, what it has said, and the picture's time. */
export class RoomModel extends Emitter<ModelEvents> {
  readonly chat = new Chat();
  readonly timeline = new Timeline<Line>();
  /** The player beside the chat; undefined where there is none, and nothing waits. */
  picture: Picture | undefined;
  /** The time that messages carry where no player tells one, e.g. a broadcaster's own clock. */
  clock: () => number | undefined = () => undefined;
  greeted = false;
  /** One was sent away and must not come back. */
  banned = false;

  #reactions: (Reaction & Timed)[] = [];
  /** One's own reactions have been seen already, when the server tells of them. */
  readonly #mine = new Map<string, number>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #history = true;
  #blockedUntil = 0;
  #items: readonly Line[] = [];

  constructor(readonly client: RoomClient) {
    super();
    client.on("standing", ({ standing, reason, banned }) => this.#stood(standing, reason, banned));
    client.on("hello", (hello) => {
      const changes = this.chat.greet(Date.now(), hello);
      this.greeted = true;
      this.#history = !hello.resumed;
      this.#changed(changes);
      this.#history = false;
    });
    client.on("events", (events) => this.#changed(this.chat.read(Date.now(), events)));
    client.on("state", (state) => {
      const changes = this.chat.look(Date.now(), state);
      for (const reaction of state.reactions) this.#reacted(reaction);
      this.#changed(changes);
    });
    client.on("ack", ({ frame, sent }) => this.#acked(frame.entry, sent));
    client.on("refused", ({ frame, sent }) => this.#refused(frame, sent));
  }

  start(): void {
    this.client.start();
    this.#timer = setInterval(() => this.step(), STEP);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.client.stop();
  }

  /** What the list shows: what is due, and one's own lines on their way. */
  get items(): readonly Line[] {
    return this.#items;
  }

  /** When the picture was captured that the user sees. */
  get mediaTime(): number | undefined {
    const time = this.picture ? this.#captured : this.clock();
    return time === undefined ? undefined : Math.round(time);
  }

  /** Seconds until the next message is allowed; 0 is now. */
  get wait(): number {
    const now = Date.now();
    return Math.max(this.chat.slowFor(now), Math.ceil((this.#blockedUntil - now) / 1000), 0);
  }

  /** Says something; the line shows at once. */
  say(text: string, replyTo = "", type: "message" | "announce" = "message"): void {
    const time = this.mediaTime;
    const media = time === undefined ? {} : { mediaTime: time };
    this.client.send({ type, text, ...(replyTo ? { replyTo } : {}), ...media });
    this.#redo();
  }

  /** Shows an emoji to everybody, and here at once. */
  react(emoji: string): void {
    if (this.client.standing !== "open") return;
    const time = this.mediaTime;
    this.client.send({ type: "react", emoji, ...(time === undefined ? {} : { mediaTime: time }) });
    this.#mine.set(emoji, (this.#mine.get(emoji) ?? 0) + 1);
    this.emit("reactions", [{ emoji, count: 1 }]);
  }

  command(command: Command): void {
    this.client.send(command);
  }

  /** Gives a refused line up. */
  discard(sent: Sent): void {
    this.client.outbox.discard(sent.id);
    this.#redo();
  }

  /** Sends a refused line again, as a new one. */
  again(sent: Sent): void {
    this.client.outbox.discard(sent.id);
    if (isLine(sent.command)) this.say(sent.command.text, sent.command.replyTo, sent.command.type);
  }

  /** Whether messages wait for their picture. */
  setTimed(on: boolean): void {
    this.timeline.on = on;
    this.step();
    this.emit("change", undefined);
  }

  /** Whether the picture has got to what an Entry is about. */
  visible(entry: Entry): boolean {
    const { id: key, mediaTime, at } = entry;
    const arrived = this.chat.line(key)?.arrived ?? Date.now();
    return this.timeline.due({ key, mediaTime, at, arrived, own: false }, this.#moment());
  }

  /** Shows what has become due. */
  step(): void {
    const moment = this.#moment();
    const before = this.timeline.shown.length;
    if (this.timeline.step(moment)) {
      const added = this.timeline.shown.slice(before);
      this.#redo();
      if (!this.#history && added.length > 0) this.emit("said", added);
    }
    this.#release(moment);
  }

  /** A WHEP viewer is as near to live as can be: nothing waits there. */
  #moment(): Moment {
    const { picture } = this;
    const now = Date.now();
    const live = picture?.atLive ?? true;
    const near = live && picture?.path === "whep";
    return { now, live, near, capture: this.#captured };
  }

  get #captured(): number | undefined {
    const { picture } = this;
    return picture && SHOWING.includes(picture.state) ? picture.captured : undefined;
  }

  #changed(changes: Changes): void {
    const { removed, added } = changes;
    if (removed.size > 0) this.timeline.remove((line) => removed.has(line.key));
    for (const line of added) {
      this.timeline.add(line);
      // A reply is not seen before what it answers.
      const parent = line.replyTo ? this.chat.line(line.replyTo) : undefined;
      if (parent && line.mediaTime > 0 && !line.own) {
        line.mediaTime = Math.max(line.mediaTime, parent.mediaTime);
      }
    }
    this.step();
    this.#redo();
  }

  #redo(): void {
    this.#settle();
    const pending = this.client.outbox.all.flatMap((sent) => this.#pending(sent));
    this.#items = pending.length > 0 ? [...this.timeline.shown, ...pending] : this.timeline.shown;
    this.emit("change", undefined);
  }

  /** Own lines that have come are not on their way any more. */
  #settle(): void {
    for (const sent of this.client.outbox.all) {
      if (sent.entry && this.chat.line(sent.entry)) this.client.outbox.arrived(sent.id, sent.entry);
    }
  }

  #pending(sent: Sent): Pending[] {
    if (!isLine(sent.command)) return [];
    const { text, replyTo = "", type } = sent.command;
    const kind = type === "announce" ? "announcement" : "message";
    const { at } = sent;
    const line = { key: `sent-${sent.id}`, kind, text, replyTo, at, arrived: at } as const;
    return [{ ...line, mediaTime: 0, own: true, from: this.chat.you, deleted: false, sent }];
  }

  #reacted(reaction: Reaction): void {
    const mine = Math.min(reaction.count, this.#mine.get(reaction.emoji) ?? 0);
    if (mine > 0) this.#mine.set(reaction.emoji, (this.#mine.get(reaction.emoji) ?? 0) - mine);
    const now = Date.now();
    const count = reaction.count - mine;
    if (count > 0) {
      const { emoji, mediaTime } = reaction;
      this.#reactions.push({ emoji, count, mediaTime, key: "", at: now, arrived: now, own: false });
    }
  }

  #release(moment: Moment): void {
    if (this.#reactions.length === 0) return;
    const due = this.#reactions.filter((r) => this.timeline.due(r, moment));
    if (due.length === 0) return;
    this.#reactions = this.#reactions.filter((r) => !due.includes(r));
    this.emit("reactions", due);
  }

  #acked(entry: string, sent: Sent | undefined): void {
    if (sent?.command.type === "name") {
      this.chat.you = { ...this.chat.you, name: sent.command.name };
      this.client.options.name = sent.command.name;
    }
    if (entry) this.#redo();
    else this.emit("change", undefined);
  }

  #refused(refused: Refused, sent: Sent | undefined): void {
    if (refused.retryAfter > 0 && sent && isLine(sent.command)) {
      this.#blockedUntil = Math.max(this.#blockedUntil, Date.now() + refused.retryAfter * 1000);
    }
    if (sent && isLine(sent.command)) this.#redo();
    else this.emit("told", reason(refused));
  }

  #stood(standing: Standing, reason: string, banned: boolean): void {
    this.banned = banned;
    if (standing === "over") this.emit("over", { reason, banned });
    this.emit("change", undefined);
  }
}

const REASONS: Record<string, string> = {
  malformed: "The server did not understand this.",
  "too-long": "This is too long.",
  empty: "There is nothing in it to see.",
  rate: "That was too fast. Wait a moment.",
  "slow-mode": "Slow mode is on. Wait a moment.",
  muted: "You cannot write here at present.",
  locked: "The room is locked.",
  forbidden: "You may not do this.",
  "unknown-target": "This is not there any more.",
  unavailable: "This does not work at present. Try again.",
};

/** Why a command was refused, for people: the server's words, or ours. */
export function reason(refused: Refused): string {
  const text = refused.detail || REASONS[refused.reason] || "The server refused this.";
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
