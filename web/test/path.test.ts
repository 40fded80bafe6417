import { describe, expect, test } from "vitest";
import { PathChooser, type PathFacts, type WhepFacts, whepTrouble } from "../src/player/path.ts";

const whep = (change: Partial<WhepFacts> = {}): WhepFacts => ({
  running: true,
  since: 0,
  refused: undefined,
  retryAfter: undefined,
  failed: false,
  connected: true,
  away: false,
  goodSince: 0,
  lastFrame: 10_000,
  frozen: 0,
  ...change,
});

const facts = (now: number, change: Partial<PathFacts> = {}): PathFacts => ({
  now,
  mode: "auto",
  shown: "whep",
  whep: whep({ lastFrame: now }),
  hls: { possible: true, ready: false, empty: false },
  behind: false,
  hidden: false,
  ...change,
});

const ready = { possible: true, ready: true, empty: false };
const both = { whep: true, hls: true, show: "whep" };
const onHls = { whep: false, hls: true, show: "hls" };
const onWhep = { whep: true, hls: false, show: "whep" };

describe("what is wrong with WHEP", () => {
  test.each<[string, Partial<WhepFacts>, string | undefined]>([
    ["pictures come", {}, undefined],
    ["just started", { lastFrame: undefined, connected: false, since: 9000 }, undefined],
    ["about to start", { running: false, lastFrame: undefined, connected: false }, undefined],
    ["given up for a reason of its own", { failed: true, connected: false }, "no path"],
    ["no path (ICE fails)", { lastFrame: undefined, connected: false, since: 8000 }, "no path"],
    ["connected a moment ago", { lastFrame: undefined, since: 8000 }, undefined],
    ["connected without a picture", { lastFrame: undefined, since: 6000 }, "no path"],
    ["nobody is live", { lastFrame: undefined, since: 0, away: true }, undefined],
    ["the broadcaster left", { lastFrame: 2000, away: true }, undefined],
    ["no seat", { refused: 503, lastFrame: undefined }, "refused"],
    ["nothing that this browser decodes", { refused: 406, lastFrame: undefined }, "refused"],
    ["not live here", { refused: 409, away: true, lastFrame: undefined }, undefined],
    ["no permission: LL-HLS would have none, too", { refused: 403, failed: true }, undefined],
    ["the picture stands", { lastFrame: 5500 }, "poor"],
    ["the connection broke", { lastFrame: 7500, connected: false }, "poor"],
    ["the picture waits for a moment", { lastFrame: 7500 }, undefined],
    ["it has stood still too often", { frozen: 6000 }, "poor"],
    ["it stood still once", { frozen: 2000 }, undefined],
  ])("%s", (_name, change, trouble) => {
    expect(whepTrouble(10_000, whep(change))).toBe(trouble);
  });
});

describe("the choice of the path", () => {
  const chooser = () => new PathChooser(() => 0);

  test("the page may insist", () => {
    const noSeat = facts(0, { whep: whep({ refused: 503 }), hls: ready });
    expect(chooser().step({ ...noSeat, mode: "whep" })).toEqual(onWhep);
    expect(chooser().step(facts(0, { mode: "hls" }))).toEqual(onHls);
    const none = { possible: false, ready: false, empty: false };
    expect(chooser().step(facts(0, { mode: "hls", hls: none }))).toEqual(onWhep);
  });

  test("LL-HLS gets ready behind a picture that stands, and is shown when it is", () => {
    const c = chooser();
    const poor = (now: number) => facts(now, { whep: whep({ lastFrame: now - 5000 }) });
    expect(c.step(facts(0))).toEqual(onWhep);
    expect(c.step(poor(6000))).toEqual(both);
    expect(c.step({ ...poor(6500), hls: ready })).toEqual(onHls);
  });

  test("without a seat WHEP is asked again when the server said so, every time", () => {
    const c = chooser();
    const refused = whep({ refused: 503, retryAfter: 7000, lastFrame: undefined, goodSince: undefined });
    expect(c.step(facts(0, { whep: refused }))).toEqual(both);
    expect(c.step(facts(500, { whep: refused, hls: ready }))).toEqual(onHls);
    const hls = (now: number, change: Partial<WhepFacts> = {}) =>
      facts(now, { shown: "hls", hls: ready, whep: whep({ running: false, ...change }) });
    expect(c.step(hls(7000))).toEqual(onHls);
    expect(c.step(hls(7500))).toEqual({ ...onHls, whep: true });
    // Refused again: the same wait.
    expect(c.step(hls(7600, { ...refused, running: true }))).toEqual(onHls);
    expect(c.step(hls(14_500))).toEqual(onHls);
    expect(c.step(hls(14_700))).toEqual({ ...onHls, whep: true });
    // A seat: shown after two good seconds.
    const good = { running: true, goodSince: 15_000, lastFrame: 16_900 };
    expect(c.step(hls(16_900, good))).toEqual({ ...onHls, whep: true });
    expect(c.step(hls(17_100, good))).toEqual(both);
  });

  test("a path that fails again and again is tried less and less often", () => {
    const c = chooser();
    const times: number[] = [];
    let running = false;
    let since = 0;
    c.step(facts(0, { whep: whep({ lastFrame: undefined, connected: false, since: -5000 }), hls: ready }));
    for (let now = 0; now < 400_000; now += 250) {
      const state = whep({ running, since, connected: false, lastFrame: undefined, goodSince: undefined });
      const plan = c.step(facts(now, { shown: "hls", hls: ready, whep: state }));
      if (plan.whep && !running) {
        times.push(now);
        since = now;
      }
      running = plan.whep;
    }
    const waits = times.map((t, i) => t - (times[i - 1] ?? 0));
    expect(times.length).toBe(5);
    for (const [i, wait] of waits.slice(1).entries()) expect(wait).toBeGreaterThan((waits[i] ?? 0) * 1.3);
  });

  test("back on WHEP it must hold a minute, or the next trial comes later", () => {
    const waitAfter = (held: number) => {
      const c = chooser();
      const poor = (now: number) => facts(now, { whep: whep({ lastFrame: now - 5000 }), hls: ready });
      c.step(poor(0)); // leaves WHEP: trial in 10 s
      const good = whep({ running: true, goodSince: 11_000, lastFrame: 16_500 });
      c.step(facts(10_500, { shown: "hls", hls: ready, whep: good }));
      expect(c.step(facts(16_500, { shown: "hls", hls: ready, whep: good })).show).toBe("whep");
      c.step(facts(17_000));
      c.step(poor(17_000 + held));
      return c.trialAt - (17_000 + held);
    };
    expect(waitAfter(10_000)).toBe(20_000);
    expect(waitAfter(70_000)).toBe(10_000);
  });

  test("whoever watches the past is left there", () => {
    const c = chooser();
    const past = facts(1e6, { shown: "hls", hls: ready, behind: true, whep: whep({ running: false }) });
    expect(c.step(past)).toEqual(onHls);
    expect(c.step({ ...past, behind: false })).toEqual({ ...onHls, whep: true });
    // Going back from WHEP shows LL-HLS, though nothing is wrong.
    expect(chooser().step(facts(0, { behind: true }))).toEqual(onHls);
  });

  test("in the background nothing is tried and nothing is judged", () => {
    const c = chooser();
    const still = whep({ lastFrame: 0 });
    expect(c.step(facts(60_000, { whep: still, hidden: true }))).toEqual(onWhep);
    const hls = facts(60_000, { shown: "hls", hls: ready, hidden: true, whep: whep({ running: false }) });
    expect(c.step(hls)).toEqual(onHls);
  });

  test("when LL-HLS has nothing, WHEP waits for the broadcaster", () => {
    const empty = { possible: true, ready: false, empty: true };
    const ended = facts(1000, { shown: "hls", hls: empty, whep: whep({ running: false }) });
    expect(chooser().step(ended)).toEqual(onWhep);
  });
});
