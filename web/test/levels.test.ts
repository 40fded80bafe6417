import type Hls from "hls.js";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Levels } from "../src/player/levels.ts";
import { type Rendition, Renditions } from "../src/player/renditions.ts";

const Events = {
  LEVEL_UPDATED: "updated",
  LEVELS_UPDATED: "levels",
  MANIFEST_PARSED: "parsed",
  ERROR: "error",
  FRAG_LOADING: "loading",
  FRAG_LOADED: "loaded",
  FRAG_BUFFERED: "buffered",
};

interface FakeLevel {
  uri: string;
  bitrate: number;
  averageBitrate: number;
  width: number;
  height: number;
}

const level = (uri: string, height: number, bitrate: number): FakeLevel => ({
  uri,
  bitrate,
  averageBitrate: bitrate / 2,
  width: (height * 16) / 9,
  height,
});

/** As much of hls.js as is used. A second one reads what `manifest` has. */
class FakeHls {
  static Events = Events;
  static made: FakeHls[] = [];
  static manifest: { levels: FakeLevel[]; audioTracks: object[] } | undefined;
  levels: FakeLevel[] = [];
  audioTracks: object[] = [{}];
  loadLevel = 0;
  switched: number[] = [];
  destroyed = false;
  latestLevelDetails: object | undefined;
  readonly #listeners: [string, (event: string, data: unknown) => void][] = [];

  constructor() {
    FakeHls.made.push(this);
  }

  set nextLevel(index: number) {
    this.switched.push(index);
    this.loadLevel = index;
  }

  on(event: string, listener: (event: string, data: unknown) => void): void {
    this.#listeners.push([event, listener]);
  }

  trigger(event: string, data: unknown): void {
    if (event === Events.LEVELS_UPDATED) this.levels = (data as { levels: FakeLevel[] }).levels;
    for (const [name, listener] of this.#listeners) if (name === event) listener(event, data);
  }

  loadSource(): void {
    const { manifest } = FakeHls;
    if (manifest) this.trigger(Events.MANIFEST_PARSED, manifest);
    else this.trigger(Events.ERROR, { fatal: true });
  }

  destroy(): void {
    this.destroyed = true;
  }

  get real(): Hls {
    return this as unknown as Hls;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeHls.made = [];
  FakeHls.manifest = undefined;
});
afterEach(() => vi.useRealTimers());

describe("the renditions that are offered", () => {
  const low = level("video", 180, 400_000);
  const [q, h, f] = [level("q", 180, 350_000), level("h", 360, 900_000), level("f", 720, 3_000_000)];

  /** Renditions beside an hls.js that plays `low`, and what they have told. */
  const begin = () => {
    const hls = new FakeHls();
    hls.levels = [low];
    const told: boolean[] = [];
    const r = new Renditions(hls.real, "http://host/hls/a/index.m3u8", (sound) => told.push(sound));
    return { hls, r, told };
  };

  test("are learnt from another reading, without a change of what plays", () => {
    const { hls, r, told } = begin();
    expect(r.offered).toEqual([{ level: 0, bandwidth: 400_000, average: 200_000, height: 180 }]);
    // As hls.js sorts them; the first one is a new object for the same playlist.
    FakeHls.manifest = { levels: [q, { ...low }, h, f], audioTracks: [{}] };
    vi.advanceTimersByTime(1300);
    expect(hls.levels[0]).toBe(low);
    expect(hls.levels.map((l) => l.uri)).toEqual(["video", "q", "h", "f"]);
    expect(r.offered.map((o) => [o.level, o.height])).toEqual([
      [1, 180],
      [0, 180],
      [2, 360],
      [3, 720],
    ]);
    expect(told).toEqual([false]);
    expect(FakeHls.made.slice(1).every((reader) => reader.destroyed)).toBe(true);
    r.stop();
  });

  test("are no longer offered when the next publisher has fewer, but keep their places", () => {
    const { hls, r, told } = begin();
    FakeHls.manifest = { levels: [low, h, f], audioTracks: [{}] };
    vi.advanceTimersByTime(1300);
    FakeHls.manifest = { levels: [low, level("f", 180, 3_000_000)], audioTracks: [{}] };
    vi.advanceTimersByTime(60_000);
    expect(hls.levels.length).toBe(3);
    expect(r.offered.map((o) => [o.level, o.height])).toEqual([
      [0, 180],
      [2, 180],
    ]);
    expect(told).toEqual([false, false]);
    r.stop();
  });

  test("are read soon after another publisher has begun, and seldom otherwise", () => {
    const { hls, r } = begin();
    FakeHls.manifest = { levels: [low], audioTracks: [{}] };
    vi.advanceTimersByTime(300_000);
    const idle = FakeHls.made.length;
    expect(idle).toBeGreaterThan(8);
    expect(idle).toBeLessThan(20);
    hls.trigger(Events.LEVEL_UPDATED, { details: { endCC: 1 } });
    vi.advanceTimersByTime(1300);
    expect(FakeHls.made.length).toBe(idle + 1);
    hls.trigger(Events.LEVEL_UPDATED, { details: { endCC: 1 } });
    r.stop();
  });

  test("stay what they were while the playlist cannot be had, and after the end nothing is read", () => {
    const { r, told } = begin();
    vi.advanceTimersByTime(20_000);
    expect(FakeHls.made.length).toBeGreaterThan(3);
    expect(r.offered.length).toBe(1);
    expect(told).toEqual([]);
    r.stop();
    const readings = FakeHls.made.length;
    vi.advanceTimersByTime(300_000);
    expect(FakeHls.made.length).toBe(readings);
  });

  test("tell of sound that was not there, and may be stopped by whom they tell", () => {
    const hls = new FakeHls();
    hls.levels = [low];
    hls.audioTracks = [];
    const told: boolean[] = [];
    const r: Renditions = new Renditions(hls.real, "", (sound) => {
      told.push(sound);
      r.stop();
    });
    FakeHls.manifest = { levels: [low], audioTracks: [{}] };
    vi.advanceTimersByTime(300_000);
    expect(told).toEqual([true]);
    expect(FakeHls.made.length).toBe(2);
  });
});

describe("the choice of the level", () => {
  const offered: Rendition[] = [
    { level: 0, bandwidth: 300_000, average: 200_000, height: 180 },
    { level: 2, bandwidth: 3_000_000, average: 2_000_000, height: 720 },
  ];

  const begin = () => {
    const hls = new FakeHls();
    hls.levels = [level("0", 180, 300_000), level("1", 720, 4_000_000), level("2", 720, 3_000_000)];
    hls.latestLevelDetails = { endSN: 5, partList: [{ index: 8, fragment: { sn: 5 } }] };
    return { hls, levels: new Levels(hls.real, Events as unknown as typeof Hls.Events) };
  };
  const sight = { lines: 720, dry: false };

  test("takes effect where a segment ends, however long that takes", () => {
    const { hls, levels } = begin();
    levels.offer(offered);
    for (let now = 0; now < 4000; now += 500) levels.choose({ ...sight, now, buffer: 0.6 });
    const frag = { type: "main", sn: 5 };
    hls.trigger(Events.FRAG_BUFFERED, { frag, part: { index: 7 } });
    hls.trigger(Events.FRAG_BUFFERED, { frag: { ...frag, type: "audio" }, part: { index: 8 } });
    expect(hls.switched).toEqual([]);
    hls.trigger(Events.FRAG_BUFFERED, { frag, part: { index: 8 } });
    expect(hls.switched).toEqual([2]);
  });

  test("leaves what is no longer offered for what is nearest to it", () => {
    const { hls, levels } = begin();
    hls.loadLevel = 1;
    levels.offer(offered);
    // Neither enough ahead nor anything measured for another step.
    levels.choose({ ...sight, now: 0, buffer: 0.2, dry: true });
    expect(hls.switched).toEqual([2]);
  });

  test("goes up at once from what was as high as any before, though another name had it", () => {
    const same = (n: number) => ({ level: n, bandwidth: 400_000 + n, average: 200_000, height: 180 });
    for (const [plays, before, after] of [
      [0, [same(0), same(1)], [2]],
      [0, [same(0), { ...same(1), height: 360 }], []],
    ] as const) {
      const { hls, levels } = begin();
      hls.loadLevel = plays;
      levels.offer(before);
      // The first choice; the network has shown little.
      const frag = { type: "main", sn: 4, stats: { loading: { first: 0, end: 1000 }, loaded: 100_000 } };
      vi.setSystemTime(0);
      hls.trigger(Events.FRAG_LOADED, { frag, part: null });
      levels.choose({ ...sight, lines: 180, now: performance.now(), buffer: 0.6 });
      levels.offer(offered);
      levels.choose({ ...sight, now: performance.now(), buffer: 0.6 });
      hls.trigger(Events.FRAG_BUFFERED, { frag, part: null });
      expect(hls.switched).toEqual(after);
    }
  });

  test("is what the viewer says, and does not go back to what could not be had", () => {
    const { hls, levels } = begin();
    levels.offer(offered);
    levels.chosen = 0;
    hls.loadLevel = 2;
    levels.choose({ ...sight, now: 0, buffer: 10 });
    expect(hls.switched).toEqual([0]);
    levels.chosen = undefined;
    levels.choose({ ...sight, now: 100, buffer: 0.2 });
    hls.loadLevel = 2;
    hls.trigger(Events.ERROR, { details: "levelLoadError" });
    levels.choose({ ...sight, now: 200, buffer: 0.2, dry: true });
    expect(hls.switched).toEqual([0]);
  });
});
