import type { RoomWorld, Socket } from "../../src/room/client.ts";
import type { RequestError } from "../../src/wire/problem.ts";

/** A server's side of the connections of one client. */
export class FakeWorld implements RoomWorld {
  readonly sockets: FakeSocket[] = [];
  refusal: RequestError | undefined;
  asked: string[] = [];
  connect = (url: string): Socket => {
    const socket = new FakeSocket(url);
    this.sockets.push(socket);
    return socket;
  };
  ask = async (url: string) => {
    this.asked.push(url);
    return this.refusal;
  };
  random = () => 0.5;

  get last(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }
}

export class FakeSocket implements Socket {
  readonly sent: { type: string; id?: string; text?: string }[] = [];
  closed = false;
  onopen = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  constructor(readonly url: string) {}
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  say(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
  hello(more: object = {}): void {
    const you = { identity: "ann", name: "Ann", role: "viewer" };
    this.say({ type: "hello", position: "log.1", you, may: ["message"], entries: [], ...more });
  }
  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
  get query(): URLSearchParams {
    return new URL(this.url).searchParams;
  }
}
