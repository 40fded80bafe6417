import { type Notice, notice } from "./notices.ts";
import type { Entry, Events, Hello, People, Person, Settings, State, StreamState } from "./protocol.ts";
import type { Timed } from "./timeline.ts";

/** One line of the list. Those of others are theirs to write: texts and names are never markup. */
export interface Line extends Timed {
  kind: "message" | "announcement" | "notice";
  from: Person | undefined;
  /** "" once it was deleted. */
  text: string;
  deleted: boolean;
  replyTo: string;
}

/** What a frame has changed in the list. */
export interface Changes {
  added: Line[];
  /** The keys of lines that are gone. */
  removed: Set<string>;
}

/** So many lines are kept; when there are more, the oldest tenth goes. */
export const MOST_LINES = 12_000;

/** So many people are remembered by name. */
const MOST_NAMES = 2000;

/**
 * What this page knows of a room: who is there, what holds, what was said. It
 * follows from the server's frames alone; an Entry that is known is passed
 * over, so that nothing shows twice. Pure.
 */
export class Chat {
  you: Person = { identity: "", name: "", role: "viewer" };
  may: readonly string[] = [];
  limits = { text: 500, name: 40 };
  settings: Settings = { slowMode: 0, locked: false };
  /** Until when one may not write (0 is for good); undefined: one may. */
  muted: number | undefined;
  pinned: Entry | undefined;
  people: People | undefined;
  stream: StreamState | undefined;
  /** Who is shut out, by identity; for moderators. */
  readonly bans = new Map<string, Entry>();
  /** Who may not write, by identity, as far as this page has seen it. */
  readonly mutes = new Map<string, number>();
  /** The server's clock less this page's, in ms. */
  skew = 0;
  /** When the server took one's own newest message, in ms since 1970 by its clock. */
  lastOwn = 0;

  readonly #lines = new Map<string, Line>();
  readonly #names = new Map<string, string>();
  readonly #seen = new Set<string>();
  readonly #deleted = new Set<string>();

  /** The line of an Entry. */
  line(id: string): Line | undefined {
    return this.#lines.get(id);
  }

  /** How somebody was called last, as far as this page has seen them. */
  nameFor(identity: string): string {
    return this.#names.get(identity) ?? identity;
  }

  /** Whether the role allows a command. */
  allows(command: string): boolean {
    return this.may.includes(command);
  }

  get moderates(): boolean {
    return this.allows("delete") || this.you.role === "host" || this.you.role === "moderator";
  }

  /** Takes the first frame of a connection. `now` is the page's clock in ms since 1970. */
  greet(now: number, hello: Hello): Changes {
    this.you = hello.you;
    this.may = hello.may;
    this.limits = hello.limits;
    this.settings = hello.settings;
    this.muted = hello.muted;
    this.skew = hello.now > 0 ? hello.now - now : 0;
    this.bans.clear();
    for (const ban of hello.bans) this.bans.set(ban.target, ban);
    const changes = this.#apply(now, hello.entries, hello.resumed);
    // The newest word on these, whatever the Entries said.
    this.pinned = hello.pinned;
    this.settings = hello.settings;
    this.muted = hello.muted;
    return changes;
  }

  /** Takes Entries. */
  read(now: number, events: Events): Changes {
    return this.#apply(now, events.entries, true);
  }

  /** Takes what only counts now. */
  look(now: number, state: State): Changes {
    const changes: Changes = { added: [], removed: new Set() };
    if (state.people) this.people = state.people;
    for (const person of state.people?.list ?? []) this.#meet(person);
    if (state.stream) {
      const said = notice.stream(this.stream, state.stream);
      const key = `stream-${state.stream.since}-${state.stream.state}`;
      this.stream = state.stream;
      if (said && !this.#seen.has(key)) this.#notice(changes, now, key, state.stream.since, said);
    }
    return changes;
  }

  /** How many seconds slow mode still keeps one from writing; 0 is none. */
  slowFor(now: number): number {
    if (this.settings.slowMode <= 0 || this.you.role !== "viewer" || !this.lastOwn) return 0;
    const left = this.lastOwn + this.settings.slowMode * 1000 - (now + this.skew);
    return Math.max(0, Math.ceil(left / 1000));
  }

  /** Whether one is muted at this time. */
  isMuted(now: number): boolean {
    return this.muted !== undefined && (this.muted === 0 || this.muted > now + this.skew);
  }

  #apply(now: number, entries: readonly Entry[], tell: boolean): Changes {
    const changes: Changes = { added: [], removed: new Set() };
    for (const entry of entries) {
      if (this.#seen.has(entry.id)) continue;
      this.#seen.add(entry.id);
      this.#entry(changes, now, entry);
      const said: Notice | undefined = tell ? notice.entry(entry, this) : undefined;
      if (said) this.#notice(changes, now, entry.id, entry.at, said);
    }
    this.#trim(changes);
    return changes;
  }

  #entry(changes: Changes, now: number, entry: Entry): void {
    const { target, until } = entry;
    const mine = target === this.you.identity;
    switch (entry.kind) {
      case "message":
      case "announcement":
        this.#message(changes, now, entry, entry.kind);
        break;
      case "deleted":
        this.#delete(target);
        break;
      case "cleared":
        this.#clear(changes);
        break;
      case "pinned":
        this.pinned = this.#pin(target);
        break;
      case "changed":
        if (entry.settings) this.settings = entry.settings;
        break;
      case "muted":
        this.mutes.set(target, until);
        if (mine) this.muted = until;
        break;
      case "unmuted":
        this.mutes.delete(target);
        if (mine) this.muted = undefined;
        break;
      case "banned":
        this.bans.set(target, entry);
        break;
      case "unbanned":
        this.bans.delete(target);
        break;
    }
  }

  #message(changes: Changes, now: number, entry: Entry, kind: "message" | "announcement"): void {
    const deleted = this.#deleted.has(entry.id) || entry.text === "";
    const own = entry.from !== undefined && entry.from.identity === this.you.identity;
    const { id: key, at, mediaTime, from, replyTo } = entry;
    const text = deleted ? "" : entry.text;
    if (from) this.#meet(from);
    if (own && kind === "message") this.lastOwn = Math.max(this.lastOwn, at);
    this.#add(changes, { key, kind, at, arrived: now, mediaTime, own, from, text, deleted, replyTo });
  }

  #meet(person: Person): void {
    this.#names.delete(person.identity);
    this.#names.set(person.identity, person.name);
    for (const identity of this.#names.keys()) {
      if (this.#names.size <= MOST_NAMES) break;
      this.#names.delete(identity);
    }
  }

  #notice(changes: Changes, now: number, key: string, at: number, said: Notice): void {
    this.#seen.add(key);
    const line = { own: false, from: undefined, deleted: false, replyTo: "", mediaTime: said.mediaTime };
    this.#add(changes, { ...line, key: `notice-${key}`, kind: "notice", at, arrived: now, text: said.text });
  }

  #add(changes: Changes, line: Line): void {
    this.#lines.set(line.key, line);
    changes.added.push(line);
  }

  #delete(id: string): void {
    this.#deleted.add(id);
    const line = this.#lines.get(id);
    if (line) Object.assign(line, { text: "", deleted: true });
    if (this.pinned?.id === id) this.pinned = undefined;
  }

  #clear(changes: Changes): void {
    for (const key of this.#lines.keys()) changes.removed.add(key);
    this.#lines.clear();
    this.pinned = undefined;
    changes.added = [];
  }

  /** What is pinned, by what is known of it. */
  #pin(id: string): Entry | undefined {
    const line = this.#lines.get(id);
    if (!line || line.deleted) return undefined;
    const { at, text, mediaTime, from, replyTo, kind } = line;
    const rest = { seq: 0, client: "", target: "", until: 0, settings: undefined };
    return { ...rest, id, kind, at, text, mediaTime, from, replyTo };
  }

  #trim(changes: Changes): void {
    if (this.#lines.size > MOST_LINES) {
      let over = this.#lines.size - MOST_LINES * 0.9;
      for (const key of this.#lines.keys()) {
        if (over-- <= 0) break;
        this.#lines.delete(key);
        changes.removed.add(key);
      }
      changes.added = changes.added.filter((line) => !changes.removed.has(line.key));
    }
    for (const set of [this.#seen, this.#deleted]) {
      for (const id of set) {
        if (set.size <= 2 * MOST_LINES) break;
        set.delete(id);
      }
    }
  }
}
