import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { publishLayers } from "./support/bench.ts";
import { openChromium } from "./support/browser.ts";
import { type Conditions, Link } from "./support/link.ts";
import { pictureHeight, playerState } from "./support/pages.ts";
import { Server } from "./support/server.ts";
import { between, clock, firstAfter, observe, shown } from "./support/sight.ts";

// A real Chromium behind a bad network. By default each run is short and the
// bounds are loose, as the machine may be busy; E2E_LONG=1 plays what the
// documentation's table tells of.
const long = process.env.E2E_LONG === "1";
const seconds = (n: number) => n * 1000;

let server: Server;
let browser: Awaited<ReturnType<typeof openChromium>>;
let end: () => Promise<void>;
let link: Link;
let viewer: Page;
const table: Record<string, object> = {};

beforeAll(async () => {
  await Link.build();
  server = await Server.start();
  browser = await openChromium();
  end = await publishLayers(server.base, "net");
});

afterAll(async () => {
  console.table(table);
  await end();
  await browser.close();
  expect(await server.stop(), server.log).toBe(0);
});

beforeEach(async () => {
  link = await Link.start(`127.0.0.1:${server.port}`);
  viewer = await browser.context.newPage();
  await link.carry(viewer);
  await viewer.goto(`${server.base}/watch/net`);
  await playerState(viewer, "live");
  await pictureHeight(viewer, 720);
  await pass(seconds(1));
  await observe(viewer);
});

afterEach(async () => {
  await viewer.close();
  await link.stop();
});

const pass = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Lets conditions hold for some ms and returns what the viewer saw of them. */
async function endure(conditions: Conditions, ms: number) {
  const from = await clock(viewer);
  link.set(conditions);
  await pass(ms);
  const to = await clock(viewer);
  return { from, to };
}

test("400 kbit/s and back", async () => {
  const { from, to } = await endure({ rate: 400_000, queue: 300 }, seconds(long ? 20 : 6));
  link.set({});
  await pass(seconds(long ? 12 : 8));
  const seen = await shown(viewer);
  const all = between(seen, from, await clock(viewer));
  const { rate } = between(seen, from, to);
  const off = firstAfter(seen, from, (h) => h < 720);
  const back = firstAfter(seen, to, (h) => h === 720);
  table["400 kbit/s"] = { frozen: all.frozen, rate, off, back };
  expect(off).toBeLessThan(long ? 2000 : 3000);
  expect(all.frozen).toBeLessThan(long ? 1500 : 3000);
  expect(rate).toBeGreaterThan(long ? 20 : 12);
  expect(back).toBeLessThan(10_000);
});

for (const [share, most] of [
  [0.05, 0],
  [0.1, 0.01],
] as const) {
  test.runIf(long || share === 0.05)(`${100 * share} % loss`, async () => {
    const length = seconds(long ? 30 : 5);
    const { from, to } = await endure({ loss: share, delay: 5 }, length);
    const saw = between(await shown(viewer), from, to);
    table[`${100 * share} % loss`] = saw;
    expect(saw.frozen).toBeLessThanOrEqual(long ? Math.max(most * length, 300) : 1000); // one pause of a busy machine
    expect(saw.rate).toBeGreaterThan(20);
  });
}

test.runIf(long)("an outage of a second", async () => {
  const { from, to } = await endure({ down: true }, seconds(1));
  link.set({});
  await pass(seconds(8));
  const seen = await shown(viewer);
  const all = between(seen, from, await clock(viewer));
  const after = between(seen, to + seconds(2), to + seconds(8));
  table["1 s outage"] = { frozen: all.frozen, rate: after.rate, frozenLater: after.frozen };
  expect(all.frozen).toBeLessThan(1200);
  expect(after.frozen).toBe(0);
});

test.runIf(long)("80 ms of delay and 0 to 40 ms of jitter", async () => {
  link.set({ delay: 80, jitter: 40 });
  await pass(seconds(3)); // the way there is not the question
  const { from, to } = await endure({ delay: 80, jitter: 40 }, seconds(20));
  const saw = between(await shown(viewer), from, to);
  table["80 ms + 40 ms"] = saw;
  expect(saw.frozen).toBe(0);
  expect(saw.rate).toBeGreaterThan(27);
});
