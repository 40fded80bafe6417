import { describe, expect, test } from "vitest";
import { MOST_WAIT, type Moment, type Timed, Timeline } from "../../src/room/timeline.ts";

const item = (key: string, mediaTime: number, rest: Partial<Timed> = {}): Timed => ({
  key,
  mediaTime,
  at: mediaTime,
  arrived: 0,
  own: false,
  ...rest,
});
const at = (capture: number | undefined, rest: Partial<Moment> = {}): Moment => ({
  now: 0,
  live: true,
  near: false,
  capture,
  ...rest,
});
const keys = (timeline: Timeline<Timed>) => timeline.shown.map((i) => i.key).join("");

describe("timeline", () => {
  test("shows a message when its picture is seen, and not before", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("a", 1000), item("b", 2000));
    expect(timeline.step(at(999))).toBe(false);
    expect(timeline.waiting).toBe(2);
    expect(timeline.step(at(1000))).toBe(true);
    expect(keys(timeline)).toBe("a");
    expect(timeline.step(at(1999))).toBe(false);
    timeline.step(at(2001));
    expect(keys(timeline)).toBe("ab");
  });

  test("puts what comes late at the end", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("later", 5000), item("now", 1000));
    timeline.step(at(2000));
    timeline.step(at(5000));
    expect(timeline.shown.map((i) => i.key)).toEqual(["now", "later"]);
  });

  test("waits for nothing without a picture, when it is off, or without a media time", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("a", 9000));
    timeline.step(at(undefined));
    expect(keys(timeline)).toBe("a");
    timeline.add(item("b", 0, { at: 9000 }));
    timeline.step(at(1000));
    expect(keys(timeline)).toBe("ab");
    timeline.add(item("c", 9000));
    timeline.step(at(1000));
    expect(timeline.waiting).toBe(1);
    timeline.on = false;
    timeline.step(at(1000));
    expect(keys(timeline)).toBe("abc");
  });

  test("shows one's own at once", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("theirs", 9000), item("own", 9000, { own: true }));
    timeline.step(at(1000));
    expect(keys(timeline)).toBe("own");
  });

  test("waits for a bounded time at live, and for as long as it takes in the past", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("a", 1e9, { arrived: 500 }));
    timeline.step(at(1000, { now: 500 + MOST_WAIT - 1 }));
    expect(timeline.waiting).toBe(1);
    timeline.step(at(1000, { now: 500 + MOST_WAIT, live: false }));
    expect(timeline.waiting).toBe(1);
    timeline.step(at(1000, { now: 500 + MOST_WAIT }));
    expect(keys(timeline)).toBe("a");
  });

  test("a step back shows the chat of then, and live shows all again", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("a", 1000), item("b", 0, { at: 20_000 }), item("c", 30_000, { own: true }));
    timeline.step(at(40_000));
    expect(keys(timeline)).toBe("abc");
    expect(timeline.step(at(10_000, { live: false }))).toBe(true);
    expect(keys(timeline)).toBe("a");
    timeline.add(item("d", 0, { at: 41_000 }));
    timeline.step(at(20_000, { live: false }));
    expect(keys(timeline)).toBe("ab");
    timeline.step(at(41_500));
    expect(keys(timeline)).toBe("abcd");
  });

  test("who leaves live has the chat of then, though nothing waited before", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("a", 1000), item("b", 30_000));
    timeline.step(at(undefined));
    timeline.step(at(20_000, { near: true }));
    expect(keys(timeline)).toBe("ab");
    timeline.step(at(20_000, { live: false }));
    expect(keys(timeline)).toBe("a");
    timeline.on = false;
    timeline.step(at(20_000, { live: false }));
    expect(keys(timeline)).toBe("ab");
  });

  test("a picture that stutters takes nothing away", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("a", 10_000));
    timeline.step(at(10_000, { live: false }));
    expect(timeline.step(at(9800, { live: false }))).toBe(false);
    expect(timeline.step(at(3000))).toBe(false);
    expect(keys(timeline)).toBe("a");
  });

  test("forgets what is removed from both lists", () => {
    const timeline = new Timeline<Timed>();
    timeline.add(item("a", 1000), item("b", 5000));
    timeline.step(at(1000));
    expect(timeline.remove((i) => i.key === "b")).toBe(false);
    expect(timeline.waiting).toBe(0);
    expect(timeline.remove((i) => i.key === "a")).toBe(true);
    expect(keys(timeline)).toBe("");
  });
});
