import { describe, expect, test } from "vitest";
import { Chat, MOST_LINES } from "../../src/room/chat.ts";
import { messageMenu, personMenu } from "../../src/room/menu.ts";
import { type Events, type Hello, parseFrame, type Role, type State } from "../../src/room/protocol.ts";

const NOW = 1_790_000_000_000;
const ann = { identity: "ann", name: "Ann", role: "viewer" };
const bob = { identity: "bob", name: "Bob", role: "viewer" };
let seq = 0;

const message = (id: string, more: object = {}) => ({
  seq: ++seq,
  id,
  kind: "message",
  at: NOW,
  from: bob,
  text: `text of ${id}`,
  ...more,
});
const frame = <T>(fields: object) => parseFrame(JSON.stringify(fields)) as T;
const hello = (more: object = {}) =>
  frame<Hello>({
    type: "hello",
    position: "l.1",
    now: NOW,
    you: ann,
    may: ["message"],
    entries: [],
    ...more,
  });
const events = (...entries: object[]) => frame<Events>({ type: "events", position: "l.2", entries });
const keys = (lines: readonly { key: string }[]) => lines.map((line) => line.key);

function greeted(more: object = {}): Chat {
  const chat = new Chat();
  chat.greet(NOW, hello(more));
  return chat;
}

describe("what is known of a room", () => {
  test("an Entry that is known is passed over", () => {
    const chat = greeted({ entries: [message("a"), message("b")] });
    expect(keys(chat.read(NOW, events(message("b"), message("c"))).added)).toEqual(["c"]);
    // Another node: other positions, the same ids.
    expect(
      keys(chat.greet(NOW, hello({ entries: [message("a"), message("c"), message("d")] })).added),
    ).toEqual(["d"]);
  });

  test("what is deleted loses its text, also when it comes later", () => {
    const chat = greeted({ entries: [message("a")] });
    const target = (id: string) => ({ ...message(`del-${id}`), kind: "deleted", target: id, text: "" });
    chat.read(NOW, events(target("a"), target("b"), message("b")));
    for (const id of ["a", "b"]) expect(chat.line(id)).toMatchObject({ text: "", deleted: true });
  });

  test("clearing takes all away that was said before", () => {
    const chat = greeted({ entries: [message("a")], pinned: message("a") });
    const changes = chat.read(NOW, events(message("b"), { ...message("x"), kind: "cleared" }, message("c")));
    expect([...changes.removed].sort()).toEqual(["a", "b"]);
    expect(keys(changes.added)).toEqual(["notice-x", "c"]);
    expect(chat.pinned).toBeUndefined();
  });

  test("pinned is the newest that was pinned", () => {
    const chat = greeted({ entries: [message("a")] });
    const pin = (id: string, target: string) => ({ ...message(id), kind: "pinned", target });
    chat.read(NOW, events(pin("p1", "a")));
    expect(chat.pinned).toMatchObject({ id: "a", text: "text of a" });
    chat.read(NOW, events(pin("p2", "")));
    expect(chat.pinned).toBeUndefined();
  });

  test("one's own mute holds as long as the server's clock says", () => {
    const chat = greeted({ now: NOW + 60_000 });
    chat.read(NOW, events({ ...message("m"), kind: "muted", target: "ann", until: NOW + 70_000 }));
    expect(chat.isMuted(NOW + 9000)).toBe(true);
    expect(chat.isMuted(NOW + 11_000)).toBe(false);
    chat.read(NOW, events({ ...message("n"), kind: "muted", target: "ann", until: 0 }));
    expect(chat.isMuted(NOW + 1e9)).toBe(true);
    chat.read(NOW, events({ ...message("o"), kind: "unmuted", target: "ann" }));
    expect(chat.isMuted(NOW)).toBe(false);
  });

  test("slow mode counts from one's own last message, for viewers", () => {
    const chat = greeted({ settings: { slowMode: 10, locked: false } });
    expect(chat.slowFor(NOW)).toBe(0);
    chat.read(NOW, events(message("a", { from: ann, at: NOW })));
    expect(chat.slowFor(NOW + 2500)).toBe(8);
    expect(chat.slowFor(NOW + 10_000)).toBe(0);
    // By the server's clock, not by ours.
    chat.skew = 3000;
    expect(chat.slowFor(NOW + 2500)).toBe(5);
    chat.skew = 0;
    chat.you = { ...chat.you, role: "host" };
    expect(chat.slowFor(NOW)).toBe(0);
  });

  test("tells how the stream does, once", () => {
    const chat = greeted();
    const state = (state: string, since: number) =>
      chat.look(NOW, frame<State>({ type: "state", stream: { state, since, viewers: 3 } })).added;
    expect(state("live", 1)).toEqual([]);
    expect(state("live", 1)).toEqual([]);
    expect(state("reconnecting", 2)[0]).toMatchObject({ kind: "notice", mediaTime: 2 });
    expect(state("live", 3)[0]?.text).toContain("goes on");
  });

  test("notices are for whom they concern", () => {
    const banned = {
      ...message("ban"),
      kind: "banned",
      target: "bob",
      from: { ...ann, role: "host" },
      until: 0,
    };
    expect(greeted().read(NOW, events(banned)).added).toEqual([]);
    const moderator = greeted({ may: ["delete"], entries: [message("a")] });
    expect(moderator.read(NOW, events(banned)).added[0]?.text).toBe("Ann banned Bob.");
    expect([...moderator.bans.keys()]).toEqual(["bob"]);
  });

  test("keeps a bounded number of lines", () => {
    const chat = greeted();
    const many = Array.from({ length: MOST_LINES + 1 }, (_, i) => message(`m${i}`));
    const changes = chat.read(NOW, events(...many));
    expect(changes.added.length).toBeLessThanOrEqual(MOST_LINES * 0.9);
    expect(chat.line("m0")).toBeUndefined();
    expect(chat.line(`m${MOST_LINES}`)).toBeDefined();
  });
});

describe("menus", () => {
  const may = (role: Role) => ({
    you: { ...ann, role },
    may:
      role === "viewer"
        ? ["message", "react"]
        : ["message", "pin", "delete", "mute", "unmute", "ban", "unban"],
  });
  const ids = (chat: Chat, id: string) => messageMenu(chat.line(id) as never, chat).map((item) => item.id);

  test("a viewer answers, and deletes what is their own", () => {
    const chat = greeted({ ...may("viewer"), entries: [message("a"), message("own", { from: ann })] });
    expect(ids(chat, "a")).toEqual(["reply", "copy"]);
    expect(ids(chat, "own")).toEqual(["reply", "copy", "delete"]);
  });

  test("a moderator moderates, but not those above", () => {
    const moderator = { identity: "mo", name: "Mo", role: "moderator" };
    const chat = greeted({ ...may("moderator"), entries: [message("a"), message("m", { from: moderator })] });
    expect(ids(chat, "a")).toEqual("reply copy pin delete mute-60 mute-600 mute-3600 mute-0 ban".split(" "));
    expect(ids(chat, "m")).toEqual(["reply", "copy", "pin", "delete"]);
    expect(personMenu({ identity: "h", name: "H", role: "host" }, chat)).toEqual([]);
    const host = greeted({ ...may("host"), entries: [message("m", { from: moderator })] });
    expect(ids(host, "m")).toContain("ban");
  });
});

describe("frames", () => {
  test.each(["", "null", "[]", "7", '{"type":7}', '{"type":"hello"}', '{"type":"nothing"}'])(
    "%j is none",
    (text) => {
      expect(parseFrame(text)).toBeUndefined();
    },
  );

  test("broken fields become empty ones", () => {
    const got = frame<Events>({
      type: "events",
      position: 7,
      entries: [null, 7, { id: "" }, { id: "a", seq: "1", from: "Bob", text: {}, until: null, settings: [] }],
    });
    expect(got.position).toBe("");
    expect(got.entries).toHaveLength(1);
    expect(got.entries[0]).toMatchObject({ id: "a", seq: 0, from: undefined, text: "", until: 0 });
  });

  test("a role that is none is that of a viewer", () => {
    expect(hello({ you: { identity: "x", role: "root" } }).you).toEqual({
      identity: "x",
      name: "x",
      role: "viewer",
    });
  });
});
