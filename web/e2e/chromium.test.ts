import { afterAll, beforeAll, expect, test } from "vitest";
import { openChromium } from "./support/browser.ts";
import {
  expectLively,
  expectPicture,
  figures,
  goLive,
  picture,
  pictureHeight,
  playerState,
  watch,
} from "./support/pages.ts";
import { mintToken, Server } from "./support/server.ts";

let server: Server;
let browser: Awaited<ReturnType<typeof openChromium>>;

beforeAll(async () => {
  server = await Server.start();
  browser = await openChromium();
});

afterAll(async () => {
  await browser.close();
  expect(await server.stop(), server.log).toBe(0);
});

test("broadcast, watch, choose a quality, leave", async () => {
  const studio = await goLive(browser, server, "walk");
  for (const rid of ["q", "h", "f"]) await studio.getByTestId(`layer-${rid}`).waitFor();

  const viewer = await watch(browser, server, "walk");
  await playerState(viewer, "live");
  await pictureHeight(viewer, 720);
  expectPicture(await picture(viewer), 720);
  expectLively(await picture(viewer));

  const quality = async (id: string, height: number) => {
    await viewer.getByTestId("quality").click();
    await viewer.getByTestId(`quality-${id}`).click();
    await pictureHeight(viewer, height);
    expectPicture(await picture(viewer), height);
  };
  await quality("q", 180);
  await quality("h", 360);
  await quality("auto", 720);
  expect((await figures(viewer)).packetsLost).toBe(0);

  const overview = await browser.page(`${server.base}/`);
  const card = overview.getByTestId("stream").filter({ hasText: "walk" });
  await card.filter({ hasText: "1 watching" }).waitFor();
  await viewer.close();
  await card.filter({ hasText: "0 watching" }).waitFor();

  await studio.getByTestId("end").click();
  await card.and(overview.locator("[data-state=reconnecting]")).waitFor();
  await studio.close();
  await overview.close();
});

test("the player fills a portrait frame and closes its menu", async () => {
  const studio = await goLive(browser, server, "frame");
  const page = await browser.page(`${server.base}/embed/frame`);
  await page.setViewportSize({ width: 390, height: 844 });
  await playerState(page, "live");
  expect((await page.getByTestId("video").boundingBox())?.height).toBe(844);

  const menu = page.getByTestId("quality-menu");
  await page.getByTestId("quality").click();
  await menu.getByText("Auto").waitFor();
  await page.mouse.click(60, 120);
  await menu.waitFor({ state: "detached" });

  await page.goto(`${server.base}/embed/no..name`);
  await page.getByText("not a stream name").waitFor();
  await page.close();
  await studio.close();
});

test("the first picture comes in less than a second", async () => {
  const studio = await goLive(browser, server, "quick");
  const first: number[] = [];
  for (let i = 0; i < 5; i++) {
    const viewer = await watch(browser, server, "quick");
    await playerState(viewer, "live");
    first.push((await figures(viewer)).firstFrame ?? Number.NaN);
    await viewer.close();
  }
  console.log(`first picture after ${first.join(", ")} ms`);
  first.sort((a, b) => a - b);
  expect(first[2]).toBeLessThan(1000);
  await studio.close();
});

test("a viewer comes first and stays through the broadcaster's return", async () => {
  const viewer = await watch(browser, server, "patient");
  await playerState(viewer, "waiting");
  const studio = await goLive(browser, server, "patient");
  await playerState(viewer, "live");
  await pictureHeight(viewer, 720);
  const sessions = async (): Promise<string[]> => {
    const stream = await (await fetch(`${server.base}/api/v1/streams/patient`)).json();
    return stream.viewerSessions.map((s: { since: string }) => s.since);
  };
  const before = await sessions();
  expect(before.length).toBe(1);

  await studio.close(); // the tab is closed without a goodbye by hand
  await playerState(viewer, "reconnecting");
  const back = await goLive(browser, server, "patient");
  await playerState(viewer, "live");
  expectLively(await picture(viewer));
  expect(await sessions()).toEqual(before);
  await back.close();
  await viewer.close();
});

test("broadcaster and viewer survive a crash of the server", async () => {
  const crashing = await Server.start();
  const studio = await goLive(browser, crashing, "crash");
  const viewer = await watch(browser, crashing, "crash");
  await playerState(viewer, "live");
  await crashing.crash();
  await viewer.locator('freshet-player:not([data-state="live"])').waitFor({ timeout: 30_000 });
  await playerState(viewer, "live");
  expectLively(await picture(viewer));
  await studio.close();
  await viewer.close();
  expect(await crashing.stop(), crashing.log).toBe(0);
});

for (const codec of ["VP8", "VP9", "AV1"]) {
  test(`${codec} from camera to picture`, async () => {
    const studio = await goLive(browser, server, `codec-${codec}`, codec);
    const viewer = await watch(browser, server, `codec-${codec}`);
    await playerState(viewer, "live");
    const p = await picture(viewer);
    expect(p.contrast).toBeGreaterThan(5);
    expect(p.motion).toBeGreaterThan(0);
    expect((await figures(viewer)).videoCodec.toUpperCase()).toContain(codec);
    await viewer.getByTestId("quality").click();
    await viewer.getByTestId("quality-q").click();
    await pictureHeight(viewer, 180);
    expect((await picture(viewer)).motion).toBeGreaterThan(0);
    await studio.close();
    await viewer.close();
  });
}

test("keys decide who may do what", async () => {
  const key = "team:0123456789abcdef0123456789abcdef";
  const guarded = await Server.start(["--auth.keys", key]);
  const mint = (...args: string[]) => mintToken(["--auth.keys", key, "--stream", "guarded", ...args]);

  const stranger = await watch(browser, guarded, "guarded");
  await playerState(stranger, "error");
  await stranger.getByTestId("token-form").waitFor();
  await stranger.close();

  const studio = await browser.page(`${guarded.base}/broadcast/guarded?token=${await mint("--publish")}`);
  expect(studio.url()).not.toContain("token");
  await studio.getByTestId("go-live").click();
  await studio.getByTestId("end").waitFor();
  expect(await studio.getByTestId("watch-link").textContent()).toBe(`${guarded.base}/watch/guarded`);

  const viewer = await browser.page(`${guarded.base}/watch/guarded?token=${await mint()}`);
  expect(viewer.url()).not.toContain("token");
  await playerState(viewer, "live");
  expect((await picture(viewer)).contrast).toBeGreaterThan(5);
  await studio.close();
  await viewer.close();
  expect(await guarded.stop(), guarded.log).toBe(0);
});

test("the embedded player plays in somebody's page", async () => {
  const studio = await goLive(browser, server, "embedded");
  const page = await browser.page(`${server.base}/embed/embedded`);
  await playerState(page, "live");
  expect((await picture(page)).contrast).toBeGreaterThan(5);
  await page.getByTestId("tap-for-sound").click();
  expect(await page.getByTestId("video").evaluate((video: HTMLVideoElement) => video.muted)).toBe(false);
  await studio.close();
  await page.close();
});
