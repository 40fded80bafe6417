import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { healthSummary } from "../src/pages/health.ts";
import { activeFlags, LayerPauser, PAUSE_AFTER } from "../src/publish/pauser.ts";
import { parseHealth, parseUnwatched, type Verdict } from "../src/wire/health.ts";

describe("pausing layers that nobody watches", () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  const pauser = () => {
    const told: string[][] = [];
    return { told, it: new LayerPauser((paused) => told.push([...paused].sort())) };
  };

  test("waits before it pauses, and resumes at once", () => {
    const { told, it } = pauser();
    it.update(["h", "f"]);
    vi.advanceTimersByTime(PAUSE_AFTER - 1);
    expect(told).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(told.at(-1)).toEqual(["f", "h"]);
    it.update(["f"]);
    expect(told.at(-1)).toEqual(["f"]);
    it.update([]);
    expect(told.at(-1)).toEqual([]);
    vi.advanceTimersByTime(10 * PAUSE_AFTER);
    expect(it.paused.size).toBe(0);
  });

  test("does nothing when a viewer comes back in time", () => {
    const { told, it } = pauser();
    it.update(["f"]);
    vi.advanceTimersByTime(PAUSE_AFTER - 1);
    it.update([]);
    it.update(["f"]);
    vi.advanceTimersByTime(PAUSE_AFTER - 1);
    expect(told).toEqual([]);
  });

  test("never pauses the last layer", () => {
    const three = [4, 2, 1].map((scaleResolutionDownBy, i) => ({
      rid: "qhf"[i] ?? "",
      scaleResolutionDownBy,
    }));
    expect(activeFlags(three, new Set(["f"]))).toEqual([true, true, false]);
    expect(activeFlags(three, new Set(["q", "h", "f"]))).toEqual([true, false, false]);
    expect(activeFlags(three.toReversed(), new Set(["q", "h", "f"]))).toEqual([false, false, true]);
    expect(activeFlags([{}], new Set([""]))).toEqual([true]);
    expect(activeFlags([], new Set(["q"]))).toEqual([]);
  });
});

test("what the server says is read with care", () => {
  const good: Verdict = { id: "loss", severity: "ok", text: "fine", value: 0 };
  expect(parseHealth([good, null, {}, { id: "x", severity: "bad", text: "y" }, 7])).toEqual([good]);
  for (const odd of [null, {}, "x", 1]) expect(parseHealth(odd)).toEqual([]);
  expect(parseUnwatched({ rids: ["h", 3, "f"] })).toEqual(["h", "f"]);
  for (const odd of [null, [], {}, { rids: "h" }]) expect(parseUnwatched(odd)).toBeUndefined();
});

test("the summary has no figures that change all the time", () => {
  const v = (id: string, severity: Verdict["severity"], value: number): Verdict => ({
    id,
    severity,
    text: `${value} of something`,
    value,
  });
  expect(healthSummary([])).toEqual({ look: "ok", text: "Looking at the stream…" });
  expect(healthSummary([v("loss", "ok", 1)])).toEqual({ look: "ok", text: "The stream is healthy" });
  expect(healthSummary([v("loss", "notice", 1), v("audio", "ok", 2)])).toEqual({
    look: "notice",
    text: "Could be better: Loss",
  });
  expect(healthSummary([v("b-frames", "warning", 9), v("loss", "notice", 3)])).toEqual({
    look: "warning",
    text: "Needs attention: B-frames, Loss",
  });
});
