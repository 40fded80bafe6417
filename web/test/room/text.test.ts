import { describe, expect, test } from "vitest";
import { Announcer } from "../../src/room/announcer.ts";
import { span } from "../../src/room/notices.ts";
import { countdown, length, pieces, shorten } from "../../src/room/text.ts";

const links = (text: string) => pieces(text).flatMap((p) => (typeof p === "string" ? [] : [p.text]));

describe("addresses in texts", () => {
  test.each([
    ["see https://example.org/a.", ["https://example.org/a"]],
    ["(https://example.org/a_(b))", ["https://example.org/a_(b)"]],
    [
      "HTTP://EXAMPLE.org/x?y=1&z=2#f, and https://b.example!",
      ["HTTP://EXAMPLE.org/x?y=1&z=2#f", "https://b.example"],
    ],
    ["<https://example.org>", ["https://example.org"]],
  ])("%j", (text, expected) => {
    expect(links(text)).toEqual(expected);
  });

  test.each([
    "javascript:alert(1)",
    "data:text/html,<script>",
    "https://",
    "http://bank.example@evil.example/",
    "https://user:secret@host.example/",
    "ftp://host.example",
    "//host.example",
    "xhttp:evil",
  ])("%j is no address to follow", (text) => {
    expect(links(text)).toEqual([]);
  });

  test("what cannot be seen or turns the text ends an address", () => {
    for (const c of ["\u202e", "\u200b", "\u2066", "\u0000", "\u00a0", "\ufeff"]) {
      expect(links(`https://a.example/b${c}moc.live`)).toEqual(["https://a.example/b"]);
    }
  });

  test("nothing of a text is lost", () => {
    const text = "a https://b.example/, c http://x@y d https://e.example.\nf";
    expect(
      pieces(text)
        .map((p) => (typeof p === "string" ? p : p.text))
        .join(""),
    ).toBe(text);
  });

  test("a long text is read in no time", () => {
    const began = performance.now();
    pieces(`https://a.example/${")".repeat(8000)}${"(".repeat(8000)}${".".repeat(8000)}`);
    pieces("http://".repeat(3000));
    expect(performance.now() - began).toBeLessThan(500);
  });
});

test("lengths are those of code points", () => {
  expect(length("a🎉é")).toBe(3);
  expect(shorten("one\n two   three", 9)).toBe("one two …");
  expect(shorten("🎉🎉🎉", 2)).toBe("🎉…");
});

test("times in words", () => {
  expect([1, 10, 60, 90, 600, 3600, 86_400, 604_800].map(span)).toEqual(
    "1 second,10 seconds,1 minute,90 seconds,10 minutes,1 hour,1 day,7 days".split(","),
  );
  expect([8, 60, 125].map(countdown)).toEqual(["8 s", "1:00", "2:05"]);
});

test("screen readers are not told of every message of a busy chat", () => {
  const announcer = new Announcer();
  announcer.add("Ann: one");
  expect(announcer.take(0)).toBe("Ann: one");
  announcer.add("Ann: two");
  expect(announcer.take(1000)).toBeUndefined();
  announcer.add("Bob: three");
  expect(announcer.take(3000)).toBe("Ann: two\nBob: three");
  for (let i = 0; i < 40; i++) announcer.add(`Bob: ${i}`);
  expect(announcer.take(6000)).toBe("40 new messages. The last: Bob: 39");
  expect(announcer.take(9000)).toBeUndefined();
});
