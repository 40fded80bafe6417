import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openChromium } from "./support/browser.ts";
import { expectPicture, figures, goLive, picture, pictureHeight, playerState, watch } from "./support/pages.ts";
import { Server } from "./support/server.ts";

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

interface ApiStream {
  video: { layers: { rid: string; active: boolean; wanted: boolean; frameRate?: number }[] };
  health: { id: string; severity: string; text: string; value: number }[];
}

async function stream(name: string): Promise<ApiStream> {
  return (await fetch(`${server.base}/api/v1/streams/${name}`)).json() as Promise<ApiStream>;
}

/** The RIDs that arrive at the server. */
async function arriving(name: string): Promise<string> {
  const { video } = await stream(name);
  return video.layers
    .filter((l) => l.active)
    .map((l) => l.rid)
    .join();
}

async function choose(viewer: Page, id: string): Promise<void> {
  await viewer.getByTestId("quality").click();
  await viewer.getByTestId(`quality-${id}`).click();
}

/** Chooses a quality; the result is how long its picture took, in ms. */
async function timedChoice(viewer: Page, id: string, height: number): Promise<number> {
  await viewer.getByTestId("quality").click();
  return viewer.locator("freshet-player").evaluate(
    (player, { id, height }) =>
      new Promise<number>((resolve, reject) => {
        const root = player.shadowRoot ?? player;
        const video = root.querySelector("video") as HTMLVideoElement;
        const began = performance.now();
        const timer = setTimeout(() => reject(new Error(`still ${video.videoHeight} lines`)), 10_000);
        const look = () => {
          if (video.videoHeight !== height) return video.requestVideoFrameCallback(look);
          clearTimeout(timer);
          resolve(Math.round(performance.now() - began));
        };
        video.requestVideoFrameCallback(look);
        root.querySelector<HTMLElement>(`[data-testid="quality-${id}"]`)?.click();
      }),
    { id, height },
  );
}

test("layers that nobody watches are paused, and are back within a second", async () => {
  const studio = await goLive(browser, server, "quiet");
  for (const rid of ["q", "h", "f"]) await studio.getByTestId(`layer-${rid}`).waitFor();
  const viewer = await watch(browser, server, "quiet");
  await playerState(viewer, "live");
  await pictureHeight(viewer, 720);
  const paused = (rid: string) => studio.locator(`[data-testid="layer-${rid}"][data-active="false"]`).waitFor();

  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    await choose(viewer, "q");
    await pictureHeight(viewer, 180);
    await paused("h");
    await paused("f");
    await expect.poll(() => arriving("quiet"), { timeout: 10_000 }).toBe("q");
    expectPicture(await picture(viewer), 180);
    const api = await stream("quiet");
    expect(api.video.layers.map((l) => l.wanted)).toEqual([true, false, false]);
    times.push(await timedChoice(viewer, "f", 720));
    expectPicture(await picture(viewer), 720);
  }
  console.log(`the full layer was back after ${times.join(", ")} ms`);
  expect(Math.max(...times)).toBeLessThan(1000);

  // The lowest goes on even when there is nobody at all.
  await viewer.close();
  await paused("f");
  await expect.poll(() => arriving("quiet"), { timeout: 10_000 }).toBe("q");
  expect(await studio.getByTestId("layer-q").getAttribute("data-active")).toBe("true");
  const layers = (await stream("quiet")).health.find((v) => v.id === "layers");
  expect(layers?.severity, layers?.text).toBe("ok");

  const late = await watch(browser, server, "quiet");
  await playerState(late, "live");
  const first = Date.now();
  await pictureHeight(late, 720);
  console.log(`whoever comes first has the full layer ${Date.now() - first} ms after the first picture`);
  expectPicture(await picture(late), 720);
  await late.close();
  await studio.close();
});

test("the broadcaster reads how the stream does", async () => {
  const studio = await goLive(browser, server, "fit");
  const viewer = await watch(browser, server, "fit");
  await playerState(viewer, "live");
  const panel = studio.getByTestId("health");
  await panel.locator("summary").click();
  await panel.getByTestId("health-keyframe-requests").filter({ hasText: "answers keyframe requests" }).waitFor();
  await panel.getByTestId("health-b-frames").filter({ hasText: "No B-frames" }).waitFor();
  for (const v of (await stream("fit")).health) expect(v.severity, v.text).not.toBe("warning");
  const overview = await browser.page(`${server.base}/`);
  const card = overview.locator('[data-testid="stream"][data-stream="fit"]');
  await card.getByTestId("health").waitFor();
  for (const page of [studio, viewer, overview]) await page.close();
});

/** The session URL that a watch page gets. */
async function watchSession(name: string): Promise<{ viewer: Page; session: string }> {
  const viewer = await browser.page("about:blank");
  const created = viewer.waitForResponse((r) => r.request().method() === "POST" && r.status() === 201);
  await viewer.goto(`${server.base}/watch/${name}`);
  const session = (await created).headers().location ?? "";
  await playerState(viewer, "live");
  return { viewer, session };
}

/** Frames decoded in some seconds, as a share of those that the layer has. */
async function share(name: string, viewer: Page): Promise<number> {
  const before = (await figures(viewer)).framesDecoded;
  let sent = 0;
  const seconds = 4;
  for (let i = 0; i < seconds; i++) {
    await viewer.waitForTimeout(1000);
    sent += (await stream(name)).video.layers[0]?.frameRate ?? 0;
  }
  return ((await figures(viewer)).framesDecoded - before) / sent;
}

// Chromium sends VP8 simulcast in three temporal layers by itself.
test("VP8 plays on without its upper temporal layers", async () => {
  const studio = await goLive(browser, server, "thin", "VP8");
  const { viewer, session } = await watchSession("thin");
  const limit = async (body: object) => {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`${server.base}${session}/layer`, {
      method: "POST",
      headers,
      body: JSON.stringify({ mediaId: "1", rid: "q", ...body }),
    });
    expect(answer.status, await answer.text()).toBe(200);
    await pictureHeight(viewer, 180);
    await viewer.waitForTimeout(1000);
  };
  await limit({});
  const whole = await share("thin", viewer);
  await limit({ maxTemporalLayerId: 0 });
  const base = await share("thin", viewer);
  await limit({});
  const again = await share("thin", viewer);
  console.log(`decoded of what is sent: ${whole.toFixed(2)}, ${base.toFixed(2)}, ${again.toFixed(2)}`);
  expect(whole).toBeGreaterThan(0.7);
  expect(base).toBeGreaterThan(0.1);
  expect(base).toBeLessThan(0.5);
  expect(again).toBeGreaterThan(0.7);
  await viewer.close();
  await studio.close();
});
