import type { Page, WebSocketRoute } from "playwright-core";

/** A room's server inside the test: it says what the test wants, and takes messages. */
export class FakeRoom {
  #route: WebSocketRoute | undefined;
  #seq = 0;
  readonly received: { type: string; id?: string; text?: string }[] = [];

  private constructor(
    readonly role: string,
    readonly may: string[],
  ) {}

  /** Stands in for the server of a page's room; before the page is opened. */
  static async of(page: Page, role = "viewer", may = ["message", "react", "name"]): Promise<FakeRoom> {
    const room = new FakeRoom(role, may);
    await page.routeWebSocket(/\/rooms\//, (route) => room.#open(route));
    return room;
  }

  #open(route: WebSocketRoute): void {
    this.#route = route;
    const you = { identity: "me", name: "Me", role: this.role };
    const limits = { text: 500, name: 40 };
    const settings = { slowMode: 0, locked: false };
    const fixed = { resumed: false, muted: null, pinned: null, entries: [], limits, settings };
    this.send({ type: "hello", room: "fake", position: "l.0", now: Date.now(), you, may: this.may, ...fixed });
    this.send({ type: "state", people: { count: 2, list: [you, person(1)] } });
    route.onMessage((data) => {
      const command = JSON.parse(String(data));
      this.received.push(command);
      if (command.type !== "message") return;
      const entry = this.entry(command.text, { from: you, client: command.id });
      this.send({ type: "ack", id: command.id, entry: entry.id, seq: entry.seq });
      this.events(entry);
    });
  }

  send(frame: object): void {
    this.#route?.send(JSON.stringify(frame));
  }

  /** A message of the next number. */
  entry(text: string, more: object = {}) {
    const seq = ++this.#seq;
    return { seq, id: `e${seq}`, kind: "message", at: Date.now(), from: person(seq), text, ...more };
  }

  events(...entries: object[]): void {
    this.send({ type: "events", position: `l.${this.#seq}`, entries });
  }
}

const ROLES = ["viewer", "viewer", "speaker", "moderator", "viewer", "host", "viewer"];

function person(n: number) {
  return { identity: `p${n % 40}`, name: `Person ${n % 40}`, role: ROLES[n % ROLES.length] };
}
