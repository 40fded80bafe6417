import { describe, expect, test, vi } from "vitest";
import { captureAt, mediaTimeOf, RtpClock } from "../src/player/capture.ts";
import { Delay } from "../src/player/delay.ts";
import { type Meeting, meets, PATIENCE, seam } from "../src/player/handover.ts";
import { type HlsFacts, hlsAddress, hlsState, withToken } from "../src/player/hls-state.ts";
import { behindBadge, behindText, readPlaylist, windowLength } from "../src/player/window.ts";
import { findAlternate, parseLinks } from "../src/wire/link.ts";

const T = 1_700_000_000_000;
const fragments = [
  { start: 10, duration: 2, programDateTime: T },
  { start: 12, duration: 2, programDateTime: T + 2000 },
  // After a break the media timeline goes on, the day does not stand still.
  { start: 14, duration: 2, programDateTime: T + 9000 },
];

describe("capture times in a playlist", () => {
  test.each([
    [10, T],
    [11.5, T + 1500],
    [11.999, T + 2000], // the frame that opens a stretch, by rounding
    [13, T + 3000],
    [15, T + 10_000],
    [17, T + 12_000], // parts beyond the list
    [9, T - 1000],
  ])("media time %d", (time, capture) => {
    expect(captureAt(fragments, time)).toBeCloseTo(capture, -1);
  });

  test("and back", () => {
    for (const time of [10, 11.5, 13.25, 15]) {
      expect(mediaTimeOf(fragments, captureAt(fragments, time) ?? 0)).toBeCloseTo(time, 3);
    }
    expect(mediaTimeOf(fragments, T + 6000)).toBe(14); // never captured: where it goes on
    expect(mediaTimeOf(fragments, T - 99_999)).toBe(10);
    expect(mediaTimeOf([], T)).toBeUndefined();
    expect(captureAt([{ start: 0, duration: 2, programDateTime: null }], 1)).toBeUndefined();
  });
});

describe("capture times by RTP", () => {
  test("the median of rough estimates is fine", () => {
    const clock = new RtpClock();
    expect(clock.capture(0)).toBeUndefined();
    const errors = [11, -11, 6, 4, -3, 9, -8, 2, 0, 7, -5];
    errors.forEach((error, i) => {
      clock.observe(90 * 1000 * i, T + 1000 * i + error);
    });
    expect(Math.abs((clock.capture(90 * 20_000) ?? 0) - (T + 20_000))).toBeLessThanOrEqual(3);
  });

  test("timestamps wrap, back and forth", () => {
    const clock = new RtpClock();
    const near = 2 ** 32 - 90 * 100;
    clock.observe(near, T);
    expect(clock.capture(90 * 100)).toBeCloseTo(T + 200, 0);
    expect(clock.capture(near)).toBeCloseTo(T, 0);
    expect(clock.capture(90 * 200)).toBeCloseTo(T + 300, 0);
  });

  test("another clock takes the place of the old one at once", () => {
    const clock = new RtpClock();
    for (let i = 0; i < 15; i++) clock.observe(90 * i, T + i);
    clock.observe(90 * 100, T + 60_000);
    expect(clock.capture(90 * 100)).toBe(T + 60_000);
    clock.reset();
    expect(clock.capture(90)).toBeUndefined();
  });
});

describe("the hand-over", () => {
  const meeting = (change: Partial<Meeting>): Meeting => ({
    elapsed: 1000,
    from: T,
    fromAge: 10,
    to: T + 33,
    ...change,
  });

  test.each<[string, Partial<Meeting>, boolean]>([
    ["the next frame", {}, true],
    ["the same frame", { to: T }, true],
    ["still behind", { to: T - 300 }, false],
    ["far ahead", { to: T + 300 }, false],
    ["far ahead of a picture that stands", { to: T + 300, fromAge: 600 }, true],
    ["behind a picture that stands", { to: T - 300, fromAge: 600 }, false],
    ["patience is at an end", { to: T - 700, elapsed: PATIENCE }, true],
    ["times unknown", { to: undefined }, false],
    ["times unknown, patience half gone", { to: undefined, elapsed: PATIENCE / 2 }, true],
    ["times unknown of a picture that stands", { from: undefined, fromAge: 600 }, true],
  ])("%s", (_name, change, expected) => {
    expect(meets(meeting(change))).toBe(expected);
  });

  test("says what was skipped or repeated", () => {
    expect(seam(meeting({}))).toEqual({ step: 0, took: 1000 });
    expect(seam(meeting({ to: T + 733 })).step).toBe(700);
    expect(seam(meeting({ to: T - 667 })).step).toBe(-700);
    expect(seam(meeting({ from: undefined })).step).toBeUndefined();
  });

  test("two pictures that drift at a tenth meet on the next frame", () => {
    for (let phase = 0; phase < 33; phase += 5) {
      let switched: number | undefined;
      for (let n = 0; n < 600 && switched === undefined; n++) {
        const now = n * 33;
        const from = T + now; // the one that is seen
        const to = T + 700 + phase - now * 0.1 + now; // 100 ms per second slower
        if (meets(meeting({ elapsed: now, from, to }))) switched = to - from;
      }
      expect(switched).toBeGreaterThanOrEqual(0);
      expect(switched).toBeLessThanOrEqual(45);
    }
  });
});

describe("playing LL-HLS", () => {
  const facts = (change: Partial<HlsFacts>): HlsFacts => ({
    running: true,
    missing: false,
    ended: false,
    failed: false,
    everLive: false,
    flowing: false,
    growing: true,
    ...change,
  });

  test.each<[Partial<HlsFacts>, string]>([
    [{ running: false, flowing: true }, "idle"],
    [{}, "connecting"],
    [{ missing: true }, "waiting"],
    [{ missing: true, everLive: true }, "ended"],
    [{ flowing: true, everLive: true }, "live"],
    [{ everLive: true }, "reconnecting"],
    [{ ended: true, everLive: true }, "ended"],
    [{ failed: true, everLive: true }, "error"],
  ])("%o is %s", (change, state) => {
    expect(hlsState(facts(change))).toBe(state);
  });

  test("addresses", () => {
    expect(hlsAddress("https://a.example/whep/demo")).toBe("https://a.example/hls/demo/index.m3u8");
    expect(hlsAddress("https://a.example/base/whep/demo/")).toBe(
      "https://a.example/base/hls/demo/index.m3u8",
    );
    expect(hlsAddress("https://a.example/rtc/v1/whep?app=live")).toBeUndefined();
    expect(withToken("https://a.example/hls/d/index.m3u8", "a b&c")).toBe(
      "https://a.example/hls/d/index.m3u8?token=a+b%26c",
    );
    expect(withToken("https://a.example/x?y=1", undefined)).toBe("https://a.example/x?y=1");
  });

  test("the Link that names the playlist", () => {
    const links = parseLinks(
      '</whep/x/sse>; rel="urn:x", <page.html>; rel=alternate; type=text/html, </hls/x/index.m3u8>; rel="alternate"; type="application/vnd.apple.mpegurl"',
    );
    expect(findAlternate(links)?.target).toBe("/hls/x/index.m3u8");
    expect(findAlternate(parseLinks("</hls/y/index.m3u8>; rel=alternate"))?.target).toBe("/hls/y/index.m3u8");
    expect(findAlternate(parseLinks("</x>; rel=next"))).toBeUndefined();
  });
});

describe("the past", () => {
  test("playlists tell how far back it goes", () => {
    const audio = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="audio/x.m3u8"';
    const variant = "#EXT-X-STREAM-INF:BANDWIDTH=1\nf/x.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nh/x.m3u8";
    expect(readPlaylist(`#EXTM3U\n${variant}\n${audio}`)).toEqual({ next: "f/x.m3u8" });
    expect(readPlaylist(`#EXTM3U\n${audio}\n${variant}`)).toEqual({ next: "audio/x.m3u8" });
    const media =
      "#EXTM3U\r\n#EXTINF:2.0,\r\na.m4s\r\n#EXTINF:1.966,\r\nb.m4s\r\n#EXT-X-PART:DURATION=0.2\r\n";
    expect(readPlaylist(media)).toEqual({ seconds: 3.966 });
    expect(readPlaylist("")).toEqual({ seconds: 0 });
  });

  test("words for it", () => {
    expect(behindText(1)).toBe("Live");
    expect(behindText(42)).toBe("42 seconds behind live");
    expect(behindText(61)).toBe("1 minute 1 second behind live");
    expect(behindText(120)).toBe("2 minutes behind live");
    expect(behindBadge(65)).toBe("-1:05");
    expect(behindBadge(3665)).toBe("-1:01:05");
    expect(windowLength(undefined)).toBe(0);
    expect(windowLength({ start: T, end: T + 60_000 })).toBe(60);
  });
});

describe("the delay of a trial", () => {
  test("is corrected by the lead, seldom, and within what browsers take", () => {
    vi.useFakeTimers();
    const receiver: { jitterBufferTarget?: number | null } = {};
    const connection = { getReceivers: () => [receiver] } as unknown as RTCPeerConnection;
    const delay = new Delay(() => connection);
    delay.set(500);
    expect(receiver.jitterBufferTarget).toBe(500);
    delay.correct(200);
    expect(receiver.jitterBufferTarget).toBe(500);
    vi.advanceTimersByTime(1000);
    delay.correct(200);
    expect(receiver.jitterBufferTarget).toBe(700);
    vi.advanceTimersByTime(1000);
    delay.correct(20);
    expect(receiver.jitterBufferTarget).toBe(700);
    delay.correct(-9000);
    expect(receiver.jitterBufferTarget).toBe(null);
    vi.useRealTimers();
  });
});
