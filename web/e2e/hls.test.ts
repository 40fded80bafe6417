import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
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
import { figures, playerState } from "./support/pages.ts";
import { Server } from "./support/server.ts";

/** How long the run is that measures the latency, in seconds; 60 for figures to be quoted. */
const RUN = Number(process.env.FRESHET_E2E_RUN ?? 12);

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
  for (const rid of ["q", "h", "f"]) await studio.getByTestId(`layer-${rid}`).waitFor();
});

afterAll(async () => {
  await browser.close();
  expect(await server.stop(), server.log).toBe(0);
});

/** Opens the watch page with a recorder in it. */
async function open(query = "", prepare?: (page: Page) => Promise<void>): Promise<Page> {
  const page = await browser.context.newPage();
  await record(page);
  await prepare?.(page);
  await page.goto(`${server.base}/watch/clock${query}`);
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

test("LL-HLS plays near live, without a stall", async () => {
  const page = await open("?mode=hls");
  await path(page, "hls");
  const { firstFrame } = await figures(page) as { firstFrame?: number };
  await page.waitForTimeout(8000);
  const { frames } = await recordFor(page, RUN);
  const { freezes } = await figures(page);
  console.log(`first picture after ${firstFrame} ms, ${freezes} stalls`);
  const { p50, p95 } = describe("LL-HLS", frames);
  expect(freezes).toBe(0);
  expect(p50).toBeLessThan(1000);
  expect(p95).toBeLessThan(1300);
  await page.close();
});

test("WHEP", async () => {
  const page = await open("?mode=whep");
  await path(page, "whep");
  await page.waitForTimeout(5000);
  const { frames } = await recordFor(page, 5);
  describe("WHEP", frames);
  await page.close();
});
