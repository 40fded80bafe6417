import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Reach } from "../src/player/reach.ts";

let asked = 0;
let playlist: string | undefined;

beforeEach(() => {
  asked = 0;
  vi.useFakeTimers();
  vi.stubGlobal("fetch", async () => {
    asked++;
    return playlist === undefined ? new Response("", { status: 404 }) : new Response(playlist);
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const segments = (n: number) => `#EXTM3U\n${"#EXTINF:2.0,\nx.mp4\n".repeat(n)}`;
const look = (reach: Reach) =>
  reach.look("http://host/hls/a/index.m3u8", undefined, new AbortController().signal);

test("the past is looked for now and then, and sooner while there is little", async () => {
  const reach = new Reach();
  playlist = segments(2);
  expect(await look(reach)).toBe(true);
  expect(reach.seconds).toBe(4);
  expect(await look(reach)).toBe(false);
  vi.advanceTimersByTime(3000);
  playlist = segments(20);
  expect(await look(reach)).toBe(true);
  expect(reach.seconds).toBe(40);
  vi.advanceTimersByTime(3000);
  expect(await look(reach)).toBe(false);
  expect(asked).toBe(2);
  vi.advanceTimersByTime(12_000);
  playlist = undefined;
  expect(await look(reach)).toBe(true);
  expect(reach.seconds).toBe(0);
});
