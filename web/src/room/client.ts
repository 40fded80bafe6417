import { Emitter } from "../wire/emitter.ts";
import { RequestError } from "../wire/problem.ts";
import { Backoff, isTemporary } from "../wire/retry.ts";
import { request } from "../wire/session.ts";
import { closing } from "./closing.ts";
import { Outbox, type Sent } from "./outbox.ts";
import {
  type Ack,
  type Command,
  type Events,
  type Hello,
  parseFrame,
  type Refused,
  type State,
} from "./protocol.ts";

/** How a client stands to its room. */
export type Standing = "idle" | "connecting" | "open" | "waiting" | "over";

/** What a RoomClient needs to know. */
export interface RoomOptions {
  /** The room's address, absolute: https://…/rooms/demo. */
  url: string;
  token?: string | undefined;
  /** The token is one that the page has made up. */
  guest?: boolean;
  name?: string | undefined;
  /** For servers without keys. */
  role?: string | undefined;
}

export interface RoomEvents {
  /** `reason` is for people; `banned` says that one must stay away. */
  standing: { standing: Standing; reason: string; banned: boolean };
  hello: Hello;
  events: Events;
  state: State;
  ack: { frame: Ack; sent: Sent | undefined };
  refused: { frame: Refused; sent: Sent | undefined };
}

/** What a RoomClient uses of a WebSocket. */
export interface Socket {
  send(text: string): void;
  close(code?: number): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
}

/** The world around a RoomClient, for tests to replace. */
export interface RoomWorld {
  connect(url: string): Socket;
  /** Why the server refuses; undefined when it does not say. */
  ask(url: string): Promise<RequestError | undefined>;
  random(): number;
}

/** An answer that takes longer than this, in ms, does not come: the connection is dead. */
const ANSWER_DUE = 10_000;
const FIRST_WAIT = 500;
const MOST_WAIT = 15_000;
/** After the server stopped, all come again at once: within this, in ms. */
const SOON = 1500;

/**
 * Stays in a room: connects, goes on where it was after a drop, and sends each
 * command until it is answered.
 */
export class RoomClient extends Emitter<RoomEvents> {
  readonly outbox = new Outbox();
  standing: Standing = "idle";
  /** Why it is not open, for people. */
  reason = "";
  #socket: Socket | undefined;
  #greeted = false;
  #position = "";
  #count = 0;
  #turn = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #due: ReturnType<typeof setTimeout> | undefined;
  readonly #backoff: Backoff;
  readonly #prefix: string;

  constructor(
    readonly options: RoomOptions,
    readonly world: RoomWorld = browser,
  ) {
    super();
    this.#backoff = new Backoff(FIRST_WAIT, MOST_WAIT, world.random);
    this.#prefix = Math.floor(world.random() * 2 ** 52).toString(36);
  }

  start(): void {
    if (this.#socket || this.standing === "connecting") return;
    globalThis.addEventListener?.("online", this.#online);
    globalThis.addEventListener?.("offline", this.#offline);
    this.#open();
  }

  /** Leaves the room. What was not answered stays in the outbox. */
  stop(): void {
    globalThis.removeEventListener?.("online", this.#online);
    globalThis.removeEventListener?.("offline", this.#offline);
    this.#drop();
    this.#stand("idle", "");
  }

  /** Sends a command, now or when there is a connection, and returns the id that its answer will have. */
  send(command: Command): string {
    const id = `${this.#prefix}-${++this.#count}`;
    // A reaction counts now or never, and is not worth repeating.
    if (command.type === "react") {
      if (this.standing === "open") this.#socket?.send(JSON.stringify(command));
      return id;
    }
    this.outbox.add(id, command, Date.now());
    if (this.standing === "open") this.#socket?.send(JSON.stringify({ ...command, id }));
    this.#watch();
    return id;
  }

  /** Tries at once. */
  retry(): void {
    this.#drop();
    this.#open();
  }

  #open(): void {
    const turn = ++this.#turn;
    this.#greeted = false;
    this.#stand("connecting", this.reason);
    const socket = this.world.connect(this.#address("ws"));
    this.#socket = socket;
    socket.onmessage = ({ data }) => turn === this.#turn && this.#read(data);
    socket.onclose = ({ code, reason }) => turn === this.#turn && this.#closed(code, reason);
    clearTimeout(this.#due);
    this.#due = setTimeout(() => this.#dead(), ANSWER_DUE);
  }

  #address(resource: string): string {
    const { url, token, name, role } = this.options;
    const address = new URL(`${url.replace(/\/$/, "")}/${resource}`);
    const query = { token, name, role, resume: this.#position };
    for (const [key, value] of Object.entries(query)) if (value) address.searchParams.set(key, value);
    return address.href.replace(/^http/, "ws");
  }

  #read(data: unknown): void {
    const frame = parseFrame(data);
    if (!frame) return;
    if (frame.type === "hello" || frame.type === "events") this.#position = frame.position || this.#position;
    switch (frame.type) {
      case "hello":
        this.#hello(frame);
        break;
      case "events":
      case "state":
        this.emit(frame.type, frame as never);
        break;
      case "ack":
        this.#answered(
          frame.id,
          () => this.outbox.ack(frame.id, frame.entry),
          (sent) => this.emit("ack", { frame, sent }),
        );
        break;
      case "refused":
        this.#answered(
          frame.id,
          () => this.outbox.refuse(frame),
          (sent) => this.emit("refused", { frame, sent }),
        );
        break;
    }
  }

  #answered(id: string, settle: () => void, tell: (sent: Sent | undefined) => void): void {
    const sent = this.outbox.all.find((s) => s.id === id);
    settle();
    this.#watch();
    tell(sent);
  }

  #hello(hello: Hello): void {
    this.#greeted = true;
    this.#backoff.reset();
    this.outbox.loaded();
    this.emit("hello", hello);
    for (const { id, command } of this.outbox.unanswered)
      this.#socket?.send(JSON.stringify({ ...command, id }));
    this.#watch();
    this.#stand("open", "");
  }

  /** A connection that does not answer is given up. */
  #watch(): void {
    clearTimeout(this.#due);
    if (this.#greeted && this.outbox.unanswered.length > 0) {
      this.#due = setTimeout(() => this.#dead(), ANSWER_DUE);
    }
  }

  #dead(): void {
    this.#drop();
    this.#later(this.#backoff.next(), "The connection to the room broke.");
  }

  #closed(code: number, reason: string): void {
    const end = closing(code, reason);
    const greeted = this.#greeted;
    this.#position = end.position ?? this.#position;
    this.#drop();
    if (end.again === "never") this.#over(end.words, end.banned);
    else if (end.again === "soon")
      this.#later(this.world.random() * SOON, "The connection to the room broke.");
    else if (greeted) this.#later(this.#backoff.next(), "The connection to the room broke.");
    else void this.#ask();
  }

  /** A WebSocket does not tell why it was refused; the event stream of the same room does. */
  async #ask(): Promise<void> {
    const turn = this.#turn;
    const address = this.#address("events").replace(/^ws/, "http");
    const refusal = await this.world.ask(address);
    if (turn !== this.#turn) return;
    const stranger = this.options.guest && refusal?.status === 401;
    const words = stranger
      ? "This room needs an access token."
      : (refusal?.message ?? "The room cannot be reached.");
    // A room is not locked for ever.
    const later = !refusal || isTemporary(refusal.status) || refusal.code === "locked";
    if (refusal && !later) this.#over(words, refusal.code === "banned");
    else this.#later(Math.max(refusal?.retryAfter ?? 0, this.#backoff.next()), words);
  }

  #later(wait: number, reason: string): void {
    this.#stand("waiting", reason);
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  #over(reason: string, banned: boolean): void {
    this.#stand("over", reason, banned);
  }

  #drop(): void {
    this.#turn++;
    clearTimeout(this.#timer);
    clearTimeout(this.#due);
    this.#socket?.close();
    this.#socket = undefined;
    this.#greeted = false;
  }

  #stand(standing: Standing, reason: string, banned = false): void {
    this.standing = standing;
    this.reason = reason;
    this.emit("standing", { standing, reason, banned });
  }

  readonly #online = () => {
    if (this.standing === "waiting") this.retry();
  };

  readonly #offline = () => {
    if (this.standing !== "open" && this.standing !== "connecting") return;
    this.#drop();
    this.#later(this.#backoff.next(), "There is no network.");
  };
}

const browser: RoomWorld = {
  connect: (url) => new WebSocket(url) as unknown as Socket,
  ask: async (url) => {
    try {
      const response = await request(url, {});
      await response.body?.cancel();
      return undefined;
    } catch (error) {
      return error instanceof RequestError ? error : undefined;
    }
  },
  random: Math.random,
};
