import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RoomClient } from "../../src/room/client.ts";
import { closing } from "../../src/room/closing.ts";
import { RequestError } from "../../src/wire/problem.ts";
import { FakeWorld } from "./fake.ts";

let world: FakeWorld;
let client: RoomClient;

beforeEach(() => {
  vi.useFakeTimers();
  world = new FakeWorld();
  client = new RoomClient({ url: "https://host/rooms/demo", token: "t", name: "Ann", role: "" }, world);
  client.start();
});
afterEach(() => {
  client.stop();
  vi.useRealTimers();
});

describe("room client", () => {
  test("comes in with its token and name", () => {
    expect(world.last.url).toBe("wss://host/rooms/demo/ws?token=t&name=Ann");
    expect(client.standing).toBe("connecting");
    world.last.hello();
    expect(client.standing).toBe("open");
  });

  test("goes on where it was after a drop", async () => {
    world.last.hello();
    world.last.say({ type: "events", position: "log.7", entries: [] });
    world.last.end(1006);
    expect(client.standing).toBe("waiting");
    await vi.advanceTimersByTimeAsync(1000);
    expect(world.sockets).toHaveLength(2);
    expect(world.last.query.get("resume")).toBe("log.7");
  });

  test("takes the position that a close frame names, and comes soon", async () => {
    world.last.hello();
    world.last.end(4008, "resume=log.99");
    await vi.advanceTimersByTimeAsync(1500);
    expect(world.last.query.get("resume")).toBe("log.99");
  });

  test("waits longer each time it cannot come in", async () => {
    for (const [tries, wait] of [500, 1000, 2000, 4000].entries()) {
      expect(world.sockets).toHaveLength(tries + 1);
      world.last.end(1006);
      await vi.advanceTimersByTimeAsync(wait - 1);
      expect(world.sockets).toHaveLength(tries + 1);
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(world.sockets).toHaveLength(5);
    // Once it was in, it is quick again.
    world.last.hello();
    world.last.end(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(world.sockets).toHaveLength(6);
  });

  test("sends what was not answered again, with the same id", async () => {
    world.last.hello();
    const first = client.send({ type: "message", text: "one" });
    const second = client.send({ type: "message", text: "two" });
    world.last.say({ type: "ack", id: first, entry: "e1" });
    world.last.end(1006);
    const third = client.send({ type: "message", text: "three" });
    await vi.advanceTimersByTimeAsync(1000);
    expect(world.last.sent).toEqual([]);
    world.last.hello({ resumed: true });
    expect(world.last.sent.map((c) => [c.id, c.text])).toEqual([
      [second, "two"],
      [third, "three"],
    ]);
    expect(new Set([first, second, third]).size).toBe(3);
  });

  test("gives up a connection that does not answer", async () => {
    world.last.hello();
    client.send({ type: "message", text: "lost" });
    const [dead] = world.sockets;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(dead?.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    world.last.hello({ resumed: true });
    expect(world.last.sent.map((c) => c.text)).toEqual(["lost"]);
    // What a dead connection still says counts for nothing.
    dead?.end(4001);
    expect(client.standing).toBe("open");
  });

  test("a reaction is not repeated", async () => {
    world.last.hello();
    client.send({ type: "react", emoji: "🎉" });
    expect(world.last.sent).toEqual([{ type: "react", emoji: "🎉" }]);
    world.last.end(1006);
    await vi.advanceTimersByTimeAsync(1000);
    world.last.hello();
    expect(world.last.sent).toEqual([]);
  });

  test("a refusal is told, and a line stays for its author", () => {
    world.last.hello();
    const told: string[] = [];
    client.on("refused", ({ frame, sent }) => told.push(`${frame.reason} ${sent?.command.type}`));
    const id = client.send({ type: "message", text: "too soon" });
    world.last.say({ type: "refused", id, reason: "slow-mode", retryAfter: 3 });
    expect(told).toEqual(["slow-mode message"]);
    expect(client.outbox.unanswered).toEqual([]);
    expect(client.outbox.all[0]?.refused?.retryAfter).toBe(3);
  });

  test("asks why it may not come in, and stays away then", async () => {
    world.refusal = new RequestError(403, "You are banned from this Room.", undefined, {}, [], "banned");
    const over: object[] = [];
    client.on("standing", (s) => s.standing === "over" && over.push(s));
    world.last.end(1006);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.asked).toEqual(["https://host/rooms/demo/events?token=t&name=Ann"]);
    expect(world.sockets).toHaveLength(1);
    expect(over).toEqual([{ standing: "over", reason: "You are banned from this Room.", banned: true }]);
  });

  test("waits as long as a full room asks, and for a locked one", async () => {
    world.refusal = new RequestError(503, "Full.", 20_000);
    world.last.end(1006);
    await vi.advanceTimersByTimeAsync(19_999);
    expect(world.sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(world.sockets).toHaveLength(2);
    world.refusal = new RequestError(403, "Locked.", undefined, {}, [], "locked");
    world.last.end(1006);
    await vi.advanceTimersByTimeAsync(2000);
    expect(world.sockets).toHaveLength(3);
  });

  test("stays away when it was sent away, until it is told to try", async () => {
    world.last.hello();
    world.last.end(4013, "another connection took the place");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.standing).toBe("over");
    expect(world.sockets).toHaveLength(1);
    client.retry();
    expect(world.sockets).toHaveLength(2);
  });

  test("passes over what it cannot read", () => {
    world.last.onmessage?.({ data: "{" });
    world.last.onmessage?.({ data: new ArrayBuffer(3) });
    world.last.say({ type: "future" });
    world.last.say({ type: "hello", you: null });
    expect(client.standing).toBe("connecting");
  });
});

test.each([
  [1001, "resume=a.1", "soon", "a.1", false],
  [4008, "too slow resume=b.2", "soon", "b.2", false],
  [1006, "", "later", undefined, false],
  [1011, "", "later", undefined, false],
  [1008, "", "never", undefined, false],
  [1009, "", "never", undefined, false],
  [4001, "", "never", undefined, true],
  [4003, "", "never", undefined, false],
  [4013, "", "never", undefined, false],
])("close code %i", (code, reason, again, position, banned) => {
  const end = closing(code, reason);
  expect(end).toMatchObject({ again, position, banned });
  expect(end.words === "").toBe(again !== "never");
});
