import puppeteer from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openChromium, samplePicture } from "./support/browser.ts";
import { goLive } from "./support/pages.ts";
import { Server } from "./support/server.ts";

// Debian's Firefox has no H264 for WebRTC, so it watches VP8. These tests run
// in a network namespace (see namespace.sh).
let server: Server;
let chromium: Awaited<ReturnType<typeof openChromium>>;

beforeAll(async () => {
  server = await Server.start(["--media.listen", "10.99.0.1:0", "--insecure"]);
  chromium = await openChromium();
});

afterAll(async () => {
  await chromium.close();
  expect(await server.stop(), server.log).toBe(0);
});

const firefox = () =>
  puppeteer.launch({
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    headless: true,
    extraPrefsFirefox: {
      "media.navigator.streams.fake": true,
      "media.navigator.permission.disabled": true,
      "media.peerconnection.ice.loopback": true,
      "media.autoplay.default": 0,
    },
  });

test("Firefox watches VP8", async () => {
  const studio = await goLive(chromium, server, "fox", "VP8");
  const browser = await firefox();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.base}/watch/fox`);
    await page.waitForSelector('freshet-player[data-state="live"]', { timeout: 20_000 });
    const video = await page.waitForSelector("freshet-player >>> video");
    expect(video).not.toBeNull();
    // The full layer may have to be resumed, as nobody has watched so far; on a
    // busy machine Chromium takes seconds until it sends it at all.
    await page.waitForFunction((v) => (v as HTMLVideoElement).videoHeight === 720, { timeout: 15_000 }, video);
    const p = await video?.evaluate(samplePicture as (e: Element, n: number) => ReturnType<typeof samplePicture>, 15);
    expect(p?.height).toBe(720);
    expect(p?.contrast).toBeGreaterThan(5);
    expect(p?.motion).toBeGreaterThan(0);
  } finally {
    await browser.close();
    await studio.close();
  }
});

/** Notes when the page's player shows pictures, from the WHEP POST on. It runs in the page before anything else. */
function noteJoin(): void {
  const seen: number[] = [];
  Object.assign(window, { seen });
  const find = () => {
    const video = document.querySelector("freshet-player")?.shadowRoot?.querySelector("video");
    if (!video) return void requestAnimationFrame(find);
    const look = (now: number) => {
      seen.push(now);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  };
  find();
}

// Firefox must never be worse off for the replay than by waiting: it plays it, or asks for a keyframe and gets one.
test("Firefox joins a VP8 stream in the middle of its GOP", async () => {
  const studio = await goLive(chromium, server, "join", "VP8");
  const other = await chromium.page(`${server.base}/watch/join`); // keeps the layers going
  await other.locator('freshet-player[data-state="live"]').waitFor({ timeout: 20_000 });
  const browser = await firefox();
  const rows: object[] = [];
  try {
    for (let i = 0; i < (process.env.E2E_LONG === "1" ? 6 : 2); i++) {
      await new Promise((done) => setTimeout(done, 3000)); // the last keyframe is old
      const page = await browser.newPage();
      await page.evaluateOnNewDocument(noteJoin);
      await page.goto(`${server.base}/watch/join`);
      await page.waitForFunction(() => (window as unknown as { seen: number[] }).seen.length > 60, { timeout: 20_000 });
      const { first, pause } = await page.evaluate(() => {
        const { seen } = window as unknown as { seen: number[] };
        const post = performance.getEntriesByType("resource").find((e) => e.name.endsWith("/whep/join"));
        const gaps = seen.slice(1).map((at, i) => at - (seen[i] ?? at));
        return { first: Math.round((seen[0] ?? 0) - (post?.startTime ?? 0)), pause: Math.round(Math.max(...gaps)) };
      });
      const detail = await (await fetch(`${server.base}/api/v1/streams/join`)).json();
      const viewer = detail.viewerSessions.at(-1);
      rows.push({ first, pause, replays: viewer.replays, plis: viewer.plis, waiting: viewer.waiting });
      expect(first).toBeLessThan(5000);
      await page.close();
    }
    console.table(rows);
  } finally {
    await browser.close();
    await other.close();
    await studio.close();
  }
});

test("Firefox is told when it cannot decode the picture", async () => {
  const studio = await goLive(chromium, server, "h264", "H264");
  const browser = await firefox();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.base}/watch/h264`);
    await page.waitForFunction(
      () => document.querySelector("freshet-player")?.shadowRoot?.textContent?.includes("H264"),
      { timeout: 20_000 },
    );
  } finally {
    await browser.close();
    await studio.close();
  }
});

test("Firefox broadcasts, Chromium watches", async () => {
  const browser = await firefox();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.base}/broadcast/fromfox`);
    const go = await page.waitForSelector('[data-testid="go-live"]');
    await go?.click();
    await page.waitForSelector('[data-testid="end"]');
    const viewer = await chromium.page(`${server.base}/watch/fromfox`);
    await viewer.locator('freshet-player[data-state="live"]').waitFor({ timeout: 20_000 });
    const p = await viewer.getByTestId("video").evaluate(samplePicture, 15);
    expect(p.contrast).toBeGreaterThan(1);
    await viewer.close();
  } finally {
    await browser.close();
  }
});
