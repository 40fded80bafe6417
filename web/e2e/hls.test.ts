import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  clockErrors,
  latencies,
  longestGap,
  quantile,
  type Recording,
  recorded,
  type SeenFrame,
  seenBy,
} from "./support/clock.ts";
import { figures, playerState } from "./support/pages.ts";
import { mintToken, Server } from "./support/server.ts";
import { path, RUN, recordFor, STRICT, Studio } from "./support/studio.ts";

let studio: Studio;
beforeAll(async () => {
  studio = await Studio.open();
});
afterAll(() => studio.close());

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
  const page = await studio.play("?mode=hls");
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
  const page = await studio.play("", async (p) => {
    p.on("request", (request) => loaded.push(request.url()));
  });
  await path(page, "whep");
  await expect.poll(async () => (await recorded(page)).frames.at(-1)?.captured, { timeout: 15_000 }).toBeDefined();
  await page.waitForTimeout(STRICT ? 10_000 : 4000);
  const whep = await recordFor(page, 3);
  describe("WHEP", whep.frames);
  // hls.js is for those who need it.
  expect(loaded.filter((url) => /\/assets\/hls-|\/hls\//.test(url))).toEqual([]);
  const other = await studio.play("?mode=hls");
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
  const page = await studio.play("", blockMedia);
  await path(page, "hls");
  console.log(`without a way for media the picture came after ${Date.now() - began} ms`);
  expect((await figures(page)).framesDecoded).toBeGreaterThan(0);
  await page.close();
});

test("when WHEP breaks off, LL-HLS goes on with the next frame", async () => {
  let session = "";
  const page = await studio.play("", async (p) => {
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
  await seenBy(page, "hls");
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
  const camera = await studio.publish(small);
  const first = await studio.browser.page(`${small.base}/watch/clock`);
  await path(first, "whep");
  const second = await studio.play("", undefined, small);
  await path(second, "hls");
  await first.close();
  await recorded(second);
  await path(second, "whep", 60_000);
  await seenBy(second, "whep");
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

test("a token opens LL-HLS, too", async () => {
  const key = "team:0123456789abcdef0123456789abcdef";
  const guarded = await Server.start(["--auth.keys", key]);
  const mint = (...args: string[]) => mintToken(["--auth.keys", key, "--stream", "clock", ...args]);
  const camera = await studio.browser.page(`${guarded.base}/broadcast/clock?token=${await mint("--publish")}`);
  await camera.getByTestId("go-live").click();
  await camera.getByTestId("end").waitFor();
  const stranger = await studio.browser.page(`${guarded.base}/watch/clock?mode=hls`);
  await playerState(stranger, "error");
  const viewer = await studio.browser.page(`${guarded.base}/watch/clock?mode=hls&token=${await mint()}`);
  await path(viewer, "hls");
  for (const page of [camera, stranger, viewer]) await page.close();
  expect(await guarded.stop(), guarded.log).toBe(0);
});

test("a browser without Media Source Extensions plays by itself", async () => {
  const page = await studio.play("?mode=hls", async (p) => {
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
