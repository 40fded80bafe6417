import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { publishLayers } from "./support/bench.ts";
import { openChromium } from "./support/browser.ts";
import {
  clockErrors,
  drawClock,
  latencies,
  longestGap,
  quantile,
  type Recording,
  record,
  recorded,
  type SeenFrame,
} from "./support/clock.ts";
import { figures, pictureHeight, playerState } from "./support/pages.ts";
import { mintToken, Server } from "./support/server.ts";

/** How long the run is that measures the latency, in seconds. */
const RUN = Number(process.env.E2E_RUN ?? 8);
/** With 60 and a machine that has nothing else to do the figures are held against their targets. */
const STRICT = RUN >= 60;

let server: Server;
let browser: Awaited<ReturnType<typeof openChromium>>;
let studio: Page;

beforeAll(async () => {
  server = await Server.start();
  browser = await openChromium();
  studio = await browser.context.newPage();
  await drawClock(studio);
  await studio.goto(`${server.base}/broadcast/clock`);
  await studio.getByTestId("go-live").click();
  await studio.getByTestId("end").waitFor();
  // A busy encoder begins its layers one by one, and players read the list of renditions once.
  const renditions = async () =>
    (await (await fetch(`${server.base}/hls/clock/index.m3u8`)).text()).split("#EXT-X-STREAM-INF").length - 1;
  await vi.waitUntil(async () => (await renditions()) === 3, { timeout: 60_000, interval: 250 });
});

afterAll(async () => {
  await browser.close();
  expect(await server.stop(), server.log).toBe(0);
});

/** Opens the watch page with a recorder in it. */
async function open(query = "", prepare?: (page: Page) => Promise<void>, of = server): Promise<Page> {
  const page = await browser.context.newPage();
  await record(page);
  await prepare?.(page);
  await page.goto(`${of.base}/watch/clock${query}`);
  return page;
}

/** Waits until the player shows the picture of a path. */
async function path(page: Page, wanted: string, timeout = 30_000): Promise<void> {
  await page.locator(`freshet-player[data-state="live"][data-path="${wanted}"]`).waitFor({ timeout });
}

/** The recording of some seconds of playing. */
async function recordFor(page: Page, seconds: number): Promise<Recording> {
  await recorded(page);
  await page.waitForTimeout(seconds * 1000);
  return recorded(page);
}

const ms = (value: number) => Math.round(value);

/** Says how far from live the frames were. */
function describe(name: string, frames: SeenFrame[]): { p50: number; p95: number } {
  const all = latencies(frames);
  const [p50, p95, most] = [quantile(all, 0.5), quantile(all, 0.95), quantile(all, 1)];
  const errors = clockErrors(frames);
  const clock = [0.05, 0.5, 0.95].map((q) => quantile(errors, q).toFixed(1)).join(" ");
  console.log(
    `${name}: glass to glass p50 ${ms(p50)} p95 ${ms(p95)} max ${ms(most)} ms of ${all.length}/${frames.length} frames, ` +
      `longest gap ${ms(longestGap(frames))} ms, clock p5 p50 p95 ${clock} ms`,
  );
  return { p50, p95 };
}

test("LL-HLS plays near live", async () => {
  const opened = Date.now();
  const page = await open("?mode=hls");
  await path(page, "hls");
  const first = (await recorded(page)).frames[0]?.at ?? Number.NaN;
  await page.waitForTimeout(5000);
  const before = await figures(page);
  const { frames } = await recordFor(page, RUN);
  const after = await figures(page);
  const stalls = after.freezes - before.freezes;
  console.log(
    `first picture ${ms(first - opened)} ms after the page was asked for, ${stalls} stalls, ${after.unstuck} helped`,
  );
  const { p50, p95 } = describe("LL-HLS", frames);
  expect(frames.length).toBeGreaterThan(RUN * 10);
  // What the picture says and what the playlist says are one clock.
  expect(Math.abs(quantile(clockErrors(frames), 0.5))).toBeLessThan(STRICT ? 25 : 400);
  expect(p50).toBeLessThan(STRICT ? 800 : 3000);
  expect(p95).toBeLessThan(STRICT ? 1000 : 5000);
  if (STRICT) expect(stalls).toBe(0);
  await page.close();
});

test("WHEP and LL-HLS tell the same time of capture", async () => {
  const loaded: string[] = [];
  const page = await open("", async (p) => {
    p.on("request", (request) => loaded.push(request.url()));
  });
  await path(page, "whep");
  await expect.poll(async () => (await recorded(page)).frames.at(-1)?.captured, { timeout: 15_000 }).toBeDefined();
  await page.waitForTimeout(STRICT ? 10_000 : 4000);
  const whep = await recordFor(page, 3);
  describe("WHEP", whep.frames);
  // hls.js is for those who need it.
  expect(loaded.filter((url) => /\/assets\/hls-|\/hls\//.test(url))).toEqual([]);
  const other = await open("?mode=hls");
  await path(other, "hls");
  const hls = await recordFor(other, 3);
  const middle = ({ frames }: Recording) => quantile(clockErrors(frames), 0.5);
  console.log(`the two clocks differ by ${(middle(hls) - middle(whep)).toFixed(1)} ms`);
  expect(Math.abs(middle(hls) - middle(whep))).toBeLessThan(STRICT ? 12 : 250);
  await page.close();
  await other.close();
});

/** Lets the page's WebRTC find no way to the server: from the beginning, or once `blocked` is set. */
async function blockMedia(page: Page, now = true): Promise<void> {
  await page.addInitScript((blocked) => {
    Object.assign(window, { blocked });
    const set = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = function (description: RTCSessionDescriptionInit) {
      const sdp = description.sdp ?? "";
      const cut = (window as unknown as { blocked: boolean }).blocked ? sdp.replace(/^a=candidate:.*\r\n/gm, "") : sdp;
      return set.call(this, { type: description.type, sdp: cut });
    } as typeof set;
  }, now);
}

test("where no media gets through, LL-HLS plays", async () => {
  const began = Date.now();
  const page = await open("", blockMedia);
  await path(page, "hls");
  console.log(`without a way for media the picture came after ${Date.now() - began} ms`);
  expect((await figures(page)).framesDecoded).toBeGreaterThan(0);
  await page.close();
});

test("when WHEP breaks off, LL-HLS goes on with the next frame", async () => {
  let session = "";
  const page = await open("", async (p) => {
    await blockMedia(p, false);
    p.on("response", (r) => {
      if (r.status() === 201 && r.request().method() === "POST") session ||= r.headers().location ?? "";
    });
  });
  await path(page, "whep");
  await page.waitForTimeout(4000);
  await recorded(page);
  await page.evaluate((url) => {
    Object.assign(window, { blocked: true });
    return fetch(url, { method: "DELETE" });
  }, session);
  await path(page, "hls");
  await page.waitForTimeout(3000);
  const { frames, paths } = await recorded(page);
  const { step, gap } = change("WHEP to LL-HLS", frames, paths);
  expect(step).toBeGreaterThanOrEqual(STRICT ? 0 : -500);
  expect(step).toBeLessThan(STRICT ? 120 : 4000);
  expect(gap).toBeLessThan(STRICT ? 4000 : 12_000);
  await page.close();
});

test("without a seat LL-HLS plays, and WHEP as soon as there is one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "freshet-seats-"));
  await writeFile(join(folder, "freshet.yaml"), "stream:\n  max-viewers: 1\n");
  const small = await Server.start(["--config", join(folder, "freshet.yaml")]);
  const camera = await browser.context.newPage();
  await drawClock(camera);
  await camera.goto(`${small.base}/broadcast/clock`);
  await camera.getByTestId("go-live").click();
  await camera.getByTestId("end").waitFor();
  const first = await browser.page(`${small.base}/watch/clock`);
  await path(first, "whep");
  const second = await open("", undefined, small);
  await path(second, "hls");
  await first.close();
  await recorded(second);
  await path(second, "whep", 60_000);
  await second.waitForTimeout(3000);
  const { frames, paths } = await recorded(second);
  const { step, gap } = change("LL-HLS to WHEP", frames, paths);
  // The next frame follows, or what the two are apart from live is skipped or repeated.
  expect(step).toBeGreaterThanOrEqual(STRICT ? 0 : -1500);
  expect(step).toBeLessThan(STRICT ? 120 : 1500);
  expect(gap).toBeLessThan(STRICT ? 120 : 2500);
  await second.close();
  await camera.close();
  expect(await small.stop(), small.log).toBe(0);
  await rm(folder, { recursive: true });
});

/** Looks at the one change of path in a recording: the media between its frames, and the time, in ms. */
function change(name: string, frames: SeenFrame[], paths: Recording["paths"]): { step: number; gap: number } {
  const at = frames.findIndex((f, i) => i > 0 && f.path !== frames[i - 1]?.path);
  expect(at).toBeGreaterThan(0);
  const [before, after] = [frames[at - 1], frames[at]] as [SeenFrame, SeenFrame];
  const step = (after.drawn ?? Number.NaN) - (before.drawn ?? Number.NaN);
  const gap = after.at - before.at;
  console.log(
    `${name}: the frame after the change was drawn ${step} ms after the one before and came ${ms(gap)} ms later; ` +
      `the player says ${JSON.stringify(paths.at(-1))}`,
  );
  return { step, gap };
}

test("qualities change without a gap", async () => {
  const page = await open("?mode=hls");
  await path(page, "hls");
  await page.waitForTimeout(3000);
  const still = await recordFor(page, 3);
  console.log(`without a change the longest gap is ${ms(longestGap(still.frames))} ms`);
  for (const height of [180, 720, 360, 720, 180]) {
    await recorded(page);
    const began = Date.now();
    await page.getByTestId("quality").click();
    await page.getByTestId(`quality-${height}p`).click();
    await pictureHeight(page, height);
    await page.waitForTimeout(1000);
    const { frames } = await recorded(page);
    const at = frames.findIndex((f) => f.height === height);
    const around = frames.slice(Math.max(0, at - 30), at + 30);
    const seen = around.flatMap((f) => (f.drawn === undefined ? [] : [f.drawn]));
    const lost = Math.max(...seen.slice(1).map((d, i) => d - (seen[i] ?? d)));
    console.log(
      `to ${height}p after ${Date.now() - began - 1000} ms: longest gap ${ms(longestGap(around))} ms on the screen, ${lost} ms in the picture`,
    );
    if (STRICT) expect(longestGap(around)).toBeLessThan(120);
    expect(longestGap(around)).toBeLessThan(2500);
  }
  await page.close();
});

/** Moves the seek bar, which is there once the stream is old enough, to so many seconds behind live. */
async function scrub(page: Page, behind: number): Promise<void> {
  const bar = page.getByTestId("seek");
  const reaches = async () => {
    // The player looks how far back it can go when somebody stirs.
    await page.mouse.move(200 + Math.random() * 100, 200);
    return (await bar.count()) > 0 && Number(await bar.getAttribute("min")) <= -behind;
  };
  await vi.waitUntil(reaches, { timeout: 40_000, interval: 500 });
  await bar.evaluate((input: HTMLInputElement, value) => {
    input.value = value;
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("change"));
  }, String(-behind));
}

test("the past can be watched, and one comes back to live", async () => {
  const page = await open();
  await path(page, "whep");
  expect(await page.getByTestId("to-live").getAttribute("data-live")).toBe("true");
  await scrub(page, 12);
  await path(page, "hls");
  const { frames } = await recordFor(page, 3);
  const behind = quantile(latencies(frames), 0.5);
  console.log(`12 s back: ${ms(behind)} ms behind live`);
  expect(behind).toBeGreaterThan(10_500);
  expect(behind).toBeLessThan(17_000);
  await page.getByTestId("to-live").click();
  await page.getByTestId("live").waitFor();
  const back = await recordFor(page, 2);
  expect(quantile(latencies(back.frames), 0.9)).toBeLessThan(5000);
  await path(page, "whep", 60_000);
  await page.close();
});

test("the past is reached when playlists come late", async () => {
  // By then the element is open, and hls.js could load what is live before it knows its place.
  const page = await open("", (p) =>
    p.route(/\/(audio|q|h|f)\/index\.m3u8$/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await route.continue();
    }),
  );
  await path(page, "whep");
  await scrub(page, 12);
  await path(page, "hls", 15_000);
  const { frames } = await recordFor(page, 2);
  expect(quantile(latencies(frames), 0.5)).toBeGreaterThan(10_500);
  await page.close();
});

/** Asks the player to go to what was captured so many seconds ago. */
async function seek(page: Page, behind: number): Promise<void> {
  await page.getByTestId("player").evaluate((player, s) => {
    (player as HTMLElement & { seek(capture: number): void }).seek(Date.now() - s * 1000);
  }, behind);
}

test("beyond the window the oldest moment is shown", async () => {
  const young = await Server.start();
  const camera = await browser.context.newPage();
  await drawClock(camera);
  await camera.goto(`${young.base}/broadcast/clock`);
  await camera.getByTestId("go-live").click();
  await camera.getByTestId("end").waitFor();
  const began = Date.now();
  const page = await open("", undefined, young);
  await path(page, "whep");
  await page.waitForTimeout(12_000);
  await seek(page, 3600);
  await path(page, "hls", 15_000);
  await recorded(page);
  const age = Date.now() - began;
  const { frames } = await recordFor(page, 2);
  const behind = quantile(latencies(frames), 0.5);
  console.log(`asked for an hour ago, ${ms(age)} ms after the start: ${ms(behind)} ms behind live`);
  expect(behind).toBeGreaterThan(9000);
  expect(behind).toBeLessThan(age + 4000);
  await page.close();
  await camera.close();
  expect(await young.stop(), young.log).toBe(0);
});

test("where there is no past the player stays live and says so", async () => {
  const page = await open();
  await path(page, "whep");
  await page.route(/\/hls\//, (route) => route.fulfill({ status: 404, body: "" }));
  await seek(page, 20);
  await page.getByTestId("notice").waitFor();
  await expect.poll(() => page.getByTestId("to-live").getAttribute("data-live")).toBe("true");
  await recorded(page);
  const { frames, paths } = await recordFor(page, 2);
  expect(paths).toEqual([]);
  expect(quantile(latencies(frames), 0.5)).toBeLessThan(5000);
  await page.close();
});

/** Publishes the smallest of the layers only; the result ends it. */
async function publishSmall(base: string): Promise<() => Promise<void>> {
  const page = await browser.context.newPage();
  await drawClock(page);
  await page.addInitScript(() => {
    const add = RTCPeerConnection.prototype.addTransceiver;
    RTCPeerConnection.prototype.addTransceiver = function (track, init) {
      const lowest = init?.sendEncodings?.slice(0, 1).map(({ rid, ...rest }) => rest);
      return add.call(this, track, lowest ? { ...init, sendEncodings: lowest } : init);
    };
  });
  await page.goto(`${base}/broadcast/clock`);
  await page.getByTestId("go-live").click();
  await page.getByTestId("end").waitFor();
  return async () => {
    await page.getByTestId("end").click();
    await page.getByTestId("go-live").waitFor();
    await page.close();
  };
}

/** Notes how long the player's element has had no picture at all, in ms. */
async function watchForBlack(page: Page): Promise<() => Promise<number>> {
  await page.getByTestId("video").evaluate((video: HTMLVideoElement) => {
    const black = { ms: 0 };
    Object.assign(window, { black });
    setInterval(() => {
      // While it seeks it keeps the frame before.
      if (video.readyState === 0) black.ms += 20;
    }, 20);
  });
  return () => page.evaluate(() => (window as unknown as { black: { ms: number } }).black.ms);
}

test("another publisher's layers are taken up", async () => {
  const own = await Server.start();
  let end = await publishSmall(own.base);
  const page = await open("?mode=hls", undefined, own);
  await path(page, "hls");
  await pictureHeight(page, 180);
  await page.waitForTimeout(4000);
  const black = await watchForBlack(page);
  for (const height of [720, 180, 720]) {
    await end();
    await recorded(page);
    const began = Date.now();
    end = await (height === 720 ? publishLayers(own.base, "clock") : publishSmall(own.base));
    await pictureHeight(page, height, 40_000);
    const took = Date.now() - began;
    await page.waitForTimeout(2000);
    const captures = (await recorded(page)).frames.flatMap((f) => f.captured ?? []).filter((at) => at > began);
    const lost = Math.max(0, ...captures.slice(1).map((at, i) => at - (captures[i] ?? at)));
    console.log(
      `${height} lines ${took} ms after the other publisher began, ${ms(lost)} ms between two frames of its, ` +
        `${await black()} ms without a picture`,
    );
    expect(captures.length).toBeGreaterThan(10);
    expect(took).toBeLessThan(STRICT ? 10_000 : 40_000);
    expect(lost).toBeLessThan(STRICT ? 120 : 5000);
    expect(await black()).toBe(0);
    await page.getByTestId("player").hover();
    await page.getByTestId("quality").click();
    await page.getByTestId("quality-180p").waitFor();
    // Those of the publisher before are still offered for a while.
    await expect.poll(() => page.getByTestId("quality-720p").count(), { timeout: 10_000 }).toBe(height === 720 ? 1 : 0);
    await page.getByTestId("quality-auto").click();
  }
  await page.close();
  await end();
  expect(await own.stop(), own.log).toBe(0);
}, 180_000);

test("a token opens LL-HLS, too", async () => {
  const key = "team:0123456789abcdef0123456789abcdef";
  const guarded = await Server.start(["--auth.keys", key]);
  const mint = (...args: string[]) => mintToken(["--auth.keys", key, "--stream", "clock", ...args]);
  const camera = await browser.page(`${guarded.base}/broadcast/clock?token=${await mint("--publish")}`);
  await camera.getByTestId("go-live").click();
  await camera.getByTestId("end").waitFor();
  const stranger = await browser.page(`${guarded.base}/watch/clock?mode=hls`);
  await playerState(stranger, "error");
  const viewer = await browser.page(`${guarded.base}/watch/clock?mode=hls&token=${await mint()}`);
  await path(viewer, "hls");
  for (const page of [camera, stranger, viewer]) await page.close();
  expect(await guarded.stop(), guarded.log).toBe(0);
});

test("a browser without Media Source Extensions plays by itself", async () => {
  const page = await open("?mode=hls", async (p) => {
    await p.addInitScript(() => {
      for (const name of ["MediaSource", "ManagedMediaSource", "WebKitMediaSource"]) {
        Reflect.deleteProperty(window, name);
      }
    });
  });
  await path(page, "hls");
  expect((await figures(page)).framesDecoded).toBeGreaterThan(0);
  expect(await page.getByTestId("video").getAttribute("src")).toContain("/hls/clock/index.m3u8");
  await page.close();
});
