import { describe, expect, test } from "vitest";
import { AbrController, type AbrInput, firstRung, fitting, ThroughputMeter } from "../src/player/abr.ts";
import { LiveClock } from "../src/player/live-clock.ts";
import { LIVE_TARGET, RateController } from "../src/player/rate.ts";
import { Steadiness } from "../src/player/steadiness.ts";
import { StuckDetector } from "../src/player/stuck.ts";

describe("the playback rate", () => {
  const rate = (behind: number, buffer = 0.6) => new RateController().rate({ now: 0, behind, buffer });

  test("is 1 at the target and bounded away from it", () => {
    expect(rate(LIVE_TARGET)).toBe(1);
    expect(rate(LIVE_TARGET + 0.02)).toBe(1);
    expect(rate(LIVE_TARGET + 0.1)).toBeGreaterThan(1);
    expect(rate(5)).toBe(1.15);
    expect(rate(LIVE_TARGET - 0.06)).toBeLessThan(1);
    expect(rate(0)).toBe(0.94);
    expect(rate(Number.NaN)).toBe(1);
  });

  test("does not play a short buffer empty", () => {
    expect(rate(3, 0.2)).toBe(1);
    expect(rate(3, 0.25)).toBe(1.15);
    expect(rate(3, 0.05)).toBe(0.94);
  });

  test("a stall moves the target, and time brings it back", () => {
    const c = new RateController();
    c.stalled(0);
    c.stalled(1000);
    expect(c.target(1000)).toBeCloseTo(LIVE_TARGET + 0.2);
    expect(c.target(32_000)).toBeCloseTo(LIVE_TARGET + 0.1);
    expect(c.target(62_000)).toBeCloseTo(LIVE_TARGET);
    for (let i = 0; i < 50; i++) c.stalled(100_000);
    expect(c.target(100_000)).toBeCloseTo(LIVE_TARGET + 1);
  });

  test("after a stall some media is waited for, but not for ever", () => {
    const c = new RateController();
    c.stalled(0);
    const rate = (now: number, buffer: number) => c.rate({ now, behind: 0.5, buffer });
    expect(rate(3000, 0)).toBe(0);
    expect(rate(3100, 0.2)).toBe(0);
    expect(rate(3300, 0.45)).toBeGreaterThan(0);
    expect(rate(3400, 0.2)).toBeGreaterThan(0);
    c.stalled(4000);
    expect(rate(4100, 0.2)).toBe(0);
    expect(rate(5050, 0.2)).toBe(0);
    expect(rate(5200, 0.2)).toBeGreaterThan(0);
  });

  test("holds the target in a simulation, from both sides", () => {
    for (const start of [0.4, 2]) {
      const c = new RateController();
      let behind = start;
      for (let now = 0; now < 20_000; now += 100) {
        behind += 0.1 * (1 - c.rate({ now, behind, buffer: behind - 0.2 }));
      }
      expect(Math.abs(behind - LIVE_TARGET)).toBeLessThan(0.05);
    }
  });
});

describe("the distance to live", () => {
  const heard = (clock: LiveClock, ways: number[]) =>
    ways.forEach((way, i) => {
      clock.heard(1_000_000 + i * 200, 1_000_000 + i * 200 - way);
    });

  test("takes equal clocks for equal", () => {
    const clock = new LiveClock();
    heard(clock, [120, 90, 200, 95]);
    expect(clock.skew).toBe(0);
    expect(clock.behind(1_000_700, 1_000_000)).toBeCloseTo(0.7);
  });

  test.each([
    ["an hour ahead", 3_600_000],
    ["two seconds late", -2000],
  ])("does not mind a clock that is %s", (_name, off) => {
    const clock = new LiveClock();
    heard(
      clock,
      [120, 90, 200, 95].map((way) => way + off),
    );
    expect(Math.abs(clock.behind(1_000_700 + off, 1_000_000) - 0.7)).toBeLessThan(0.02);
  });

  test("forgets a shorter way after half a minute", () => {
    const clock = new LiveClock();
    clock.heard(0, 5000);
    expect(clock.skew).toBe(-5100);
    clock.heard(31_000, 31_000 - 50);
    expect(clock.skew).toBe(0);
  });
});

describe("the dead-lock", () => {
  const run = (detector: StuckDetector, from: number, to: number, state: (now: number) => object) => {
    const found: number[] = [];
    for (let now = from; now < to; now += 100) {
      const base = { now, bufferEnd: 32.196, edge: 32.196 + (now - from) / 1000, loading: false };
      if (detector.look({ ...base, ...state(now) })) found.push(now);
    }
    return found;
  };

  test("is found in little more than a second while the playlist grows and nothing is loaded", () => {
    const found = run(new StuckDetector(), 0, 1500, () => ({}));
    expect(found.length).toBe(1);
    expect(found[0]).toBeLessThanOrEqual(1200);
  });

  test("is not seen in a slow network, nor in a playlist that stands, nor while all goes well", () => {
    expect(run(new StuckDetector(), 0, 3500, () => ({ loading: true }))).toEqual([]);
    expect(run(new StuckDetector(), 0, 9000, () => ({ edge: 32.3 }))).toEqual([]);
    const well = (now: number) => ({
      bufferEnd: now / 1000,
      edge: now / 1000 + 0.2,
      loading: now % 200 === 0,
    });
    expect(run(new StuckDetector(), 0, 9000, well)).toEqual([]);
  });

  test("a request that hangs is helped, too, but late", () => {
    const found = run(new StuckDetector(), 0, 6000, () => ({ loading: true }));
    expect(found[0]).toBeGreaterThanOrEqual(4000);
  });
});

describe("the choice of the rendition", () => {
  const rungs = [
    { bandwidth: 300_000, height: 180 },
    { bandwidth: 800_000, height: 360 },
    { bandwidth: 3_000_000, height: 720 },
  ];
  const input = (
    now: number,
    current: number,
    estimate: number | undefined,
    more: Partial<AbrInput> = {},
  ) => ({
    now,
    current,
    estimate,
    buffer: 0.6,
    lines: 1080,
    ...more,
  });

  test("begins with what fits the network and the screen", () => {
    expect(firstRung(rungs, 5e6, 1080)).toBe(2);
    expect(firstRung(rungs, 5e6, 300)).toBe(1);
    expect(firstRung(rungs, 1e6, 1080)).toBe(0);
    expect(fitting(rungs, 100)).toBe(0);
    expect(firstRung([], 1e6, 1080)).toBe(-1);
  });

  test("goes down at once, as far as it must", () => {
    expect(new AbrController().choose(rungs, input(0, 2, 400_000))).toBe(0);
    expect(new AbrController().choose(rungs, input(0, 2, 2e6))).toBe(1);
    expect(new AbrController().choose(rungs, input(0, 0, 1000))).toBe(0);
  });

  test("a stall with bandwidth to spare changes nothing, one without does", () => {
    const c = new AbrController();
    c.stalled();
    expect(c.choose(rungs, input(0, 2, 20e6))).toBe(2);
    c.stalled();
    expect(c.choose(rungs, input(100, 2, 5e6))).toBe(1);
    expect(c.choose(rungs, input(200, 1, 5e6))).toBe(1);
  });

  test("goes up rung by rung, with rests, as far as one can see it", () => {
    const c = new AbrController();
    expect(c.choose(rungs, input(0, 0, 20e6, { buffer: 0.1 }))).toBe(0);
    expect(c.choose(rungs, input(0, 0, 1e6))).toBe(0);
    expect(c.choose(rungs, input(0, 0, 20e6))).toBe(1);
    expect(c.choose(rungs, input(1000, 1, 20e6))).toBe(1);
    expect(c.choose(rungs, input(5000, 1, 20e6, { lines: 360 }))).toBe(1);
    expect(c.choose(rungs, input(5000, 1, 20e6))).toBe(2);
  });

  test("a step up that does not hold is repeated ever later", () => {
    const c = new AbrController();
    const ups: number[] = [];
    let current = 1;
    for (let now = 0; now < 120_000; now += 500) {
      const next = c.choose(rungs, input(now, current, current === 2 ? 2e6 : 6e6));
      if (next > current) ups.push(now);
      current = next;
    }
    const waits = ups.slice(1).map((t, i) => t - (ups[i] ?? 0));
    expect(waits.length).toBeGreaterThan(2);
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits.at(-1)).toBeGreaterThan((waits[0] ?? 0) * 3);
  });

  test("goes as far as the first choice would when other rungs are offered", () => {
    const c = new AbrController();
    c.offered(true);
    expect(c.choose(rungs, input(0, 0, 500_000, { buffer: 0.1 }))).toBe(0);
    expect(c.choose(rungs, input(100, 0, 500_000))).toBe(2);
    // Once only; a network that has shown its limits is believed.
    expect(c.choose(rungs, input(200, 2, 500_000))).toBe(0);
    c.offered(false);
    expect(c.choose(rungs, input(300, 0, 500_000))).toBe(0);
    c.offered(false);
    expect(c.choose(rungs, input(400, 0, 20e6))).toBe(2);
  });

  test("without a measurement nothing is changed", () => {
    expect(new AbrController().choose(rungs, input(0, 1, undefined))).toBe(1);
    expect(new AbrController().choose([], input(0, 0, 1e6))).toBe(-1);
  });

  test("throughput is what came after the first byte, not the wait for it", () => {
    const meter = new ThroughputMeter();
    expect(meter.estimate(0)).toBeUndefined();
    // 1 Mbit/s: 5 kB parts take 29 ms after their first packet.
    for (let i = 0; i < 20; i++) meter.note(i * 200, 5000, 29);
    expect(meter.estimate(4000)).toBeGreaterThan(0.9e6);
    expect(meter.estimate(4000)).toBeLessThan(1.1e6);
    expect(meter.estimate(20_000)).toBeUndefined();
  });
});

describe("steadiness", () => {
  test("counts from the last break or freeze", () => {
    const s = new Steadiness();
    expect(s.facts(0)).toEqual({ goodSince: undefined, lastFrame: undefined, frozen: 0 });
    s.look(0, { frames: 0, frozen: 0 });
    expect(s.facts(0).lastFrame).toBeUndefined();
    s.look(1000, { frames: 10, frozen: 0 });
    s.look(2000, { frames: 40, frozen: 0 });
    expect(s.facts(2000)).toEqual({ goodSince: 1000, lastFrame: 2000, frozen: 0 });
    s.look(3000, { frames: 60, frozen: 700 });
    expect(s.facts(3000)).toEqual({ goodSince: 3000, lastFrame: 3000, frozen: 700 });
    s.look(4000, { frames: 60, frozen: 700 });
    expect(s.facts(5000).goodSince).toBeUndefined();
    s.look(6000, { frames: 90, frozen: 700 });
    expect(s.facts(6000).goodSince).toBe(6000);
    expect(s.facts(30_000).frozen).toBe(0);
  });

  test("a new connection counts from its own zero", () => {
    const s = new Steadiness();
    s.look(0, { frames: 500, frozen: 9000 });
    expect(s.facts(0)).toMatchObject({ lastFrame: 0, frozen: 0 });
    s.look(1000, { frames: 20, frozen: 100 });
    expect(s.facts(1000).frozen).toBe(0);
    s.reset();
    expect(s.facts(1000).lastFrame).toBeUndefined();
  });
});
