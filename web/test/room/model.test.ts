import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { RoomClient } from "../../src/room/client.ts";
import { type Picture, RoomModel } from "../../src/room/model.ts";
import { FakeWorld } from "./fake.ts";

const NOW = 1_790_000_000_000;
let world: FakeWorld;
let model: RoomModel;
let seq = 0;
let picture: { -readonly [key in keyof Picture]: Picture[key] };

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  world = new FakeWorld();
  model = new RoomModel(new RoomClient({ url: "https://host/rooms/demo" }, world));
  picture = { captured: NOW - 4000, path: "hls", atLive: true, state: "live" };
  model.picture = picture;
  model.start();
  world.last.hello({ may: ["message", "react"] });
});
afterEach(() => {
  model.stop();
  vi.useRealTimers();
});

const entry = (text: string, more: object = {}) => ({
  seq: ++seq,
  id: `e-${text}`,
  kind: "message",
  at: Date.now(),
  from: { identity: "bob", name: "Bob", role: "viewer" },
  text,
  ...more,
});
const events = (...entries: object[]) => world.last.say({ type: "events", position: "l.2", entries });
const shown = () => model.items.map((line) => line.text);

describe("room model", () => {
  test("shows what one says at once, and once", () => {
    model.say("hello");
    expect(shown()).toEqual(["hello"]);
    const { id = "" } = world.last.sent[0] ?? {};
    const own = entry("hello", { from: { identity: "ann", name: "Ann", role: "viewer" }, client: id });
    world.last.say({ type: "ack", id, entry: own.id, seq: own.seq });
    expect(shown()).toEqual(["hello"]);
    events(own);
    expect(shown()).toEqual(["hello"]);
    expect(model.items[0]?.key).toBe(own.id);
  });

  test("an entry that comes before its answer is one line, too", () => {
    model.say("hello");
    const { id = "" } = world.last.sent[0] ?? {};
    const own = entry("hello", { from: { identity: "ann", name: "Ann", role: "viewer" }, client: id });
    events(own);
    world.last.say({ type: "ack", id, entry: own.id, seq: own.seq });
    expect(shown()).toEqual(["hello"]);
    expect(model.client.outbox.all).toEqual([]);
  });

  test("says what was refused, and sends it anew when asked", () => {
    model.say("too fast");
    const { id = "" } = world.last.sent[0] ?? {};
    world.last.say({ type: "refused", id, reason: "slow-mode", retryAfter: 3 });
    const [sent] = model.client.outbox.all;
    expect(sent?.refused?.reason).toBe("slow-mode");
    expect(model.wait).toBe(3);
    if (sent) model.again(sent);
    expect(world.last.sent).toHaveLength(2);
    expect(world.last.sent[1]?.id).not.toBe(id);
    expect(shown()).toEqual(["too fast"]);
  });

  test("a message waits for its picture by LL-HLS, and not by WHEP", () => {
    events(entry("goal", { mediaTime: NOW - 1000 }));
    expect(shown()).toEqual([]);
    picture.captured = NOW - 1001;
    vi.advanceTimersByTime(100);
    expect(shown()).toEqual([]);
    picture.captured = NOW - 999;
    vi.advanceTimersByTime(100);
    expect(shown()).toEqual(["goal"]);
    picture.path = "whep";
    events(entry("live", { mediaTime: NOW + 60_000 }));
    expect(shown()).toEqual(["goal", "live"]);
  });

  test("an answer does not come before what it answers", () => {
    events(entry("question", { mediaTime: NOW - 1000 }));
    events(entry("answer", { mediaTime: NOW - 3900, replyTo: "e-question" }));
    picture.captured = NOW - 2000;
    vi.advanceTimersByTime(100);
    expect(shown()).toEqual([]);
    picture.captured = NOW - 900;
    vi.advanceTimersByTime(100);
    expect(shown()).toEqual(["question", "answer"]);
  });

  test("where there is no picture, nothing waits and nothing claims one", () => {
    picture.state = "ended";
    events(entry("over", { mediaTime: NOW + 5000 }));
    expect(shown()).toEqual(["over"]);
    expect(model.mediaTime).toBeUndefined();
    picture.state = "live";
    expect(model.mediaTime).toBe(NOW - 4000);
  });

  test("one's own reaction floats at once, and not again when the server tells of it", () => {
    const seen: number[] = [];
    model.on("reactions", (reactions) => seen.push(...reactions.map((r) => r.count)));
    model.react("🎉");
    expect(seen).toEqual([1]);
    world.last.say({ type: "state", reactions: [{ emoji: "🎉", count: 4 }] });
    world.last.say({ type: "state", reactions: [{ emoji: "🎉", count: 1 }] });
    expect(seen).toEqual([1, 3, 1]);
  });

  test("reactions wait for their picture, too", () => {
    const seen: string[] = [];
    model.on("reactions", (reactions) => seen.push(...reactions.map((r) => r.emoji)));
    world.last.say({ type: "state", reactions: [{ emoji: "👏", count: 2, mediaTime: NOW - 1000 }] });
    vi.advanceTimersByTime(500);
    expect(seen).toEqual([]);
    picture.captured = NOW - 1000;
    vi.advanceTimersByTime(100);
    expect(seen).toEqual(["👏"]);
  });

  test("the past is not read out, what comes now is", () => {
    const said: string[] = [];
    model.on("said", (lines) => said.push(...lines.map((l) => l.text)));
    world.last.end(1006);
    vi.advanceTimersByTime(1000);
    world.last.hello({ resumed: false, entries: [entry("old")] });
    expect(shown()).toEqual(["old"]);
    events(entry("new"));
    expect(said).toEqual(["new"]);
  });
});
