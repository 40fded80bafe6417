import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { expect, test } from "vitest";
import { openChromium } from "./support/browser.ts";
import { FFmpegPublisher, makeClip } from "./support/ffmpeg.ts";
import { type Join, join, watchHere } from "./support/joiner.ts";
import { Server } from "./support/server.ts";
import { quantile } from "./support/sight.ts";

const long = process.env.E2E_LONG === "1";

// FFmpeg's publisher ignores keyframe requests, as OBS does, and sends a
// keyframe every four seconds: joiners are served from the cached one.
test("joins of a stream with long GOPs", async () => {
  const folder = await mkdtemp(path(tmpdir(), "freshet-clip-"));
  const clip = path(folder, "clip.mkv");
  const joins = long ? 24 : 4;
  // As many bytes as of a larger picture, which two viewers in one page could hardly decode on a busy machine.
  await makeClip(clip, long ? 150 : 40, { gop: 120, numbers: true, size: "640x360" });
  const server = await Server.start();
  const browser = await openChromium();
  const publisher = FFmpegPublisher.start(`${server.base}/whip/joins`, clip);
  try {
    await expect
      .poll(async () => (await fetch(`${server.base}/api/v1/streams/joins`)).status, { timeout: 20_000 })
      .toBe(200);
    const page = await browser.page(`${server.base}/livez`);
    const endpoint = `${server.base}/whep/joins`;
    await page.evaluate(watchHere, endpoint);
    await new Promise((done) => setTimeout(done, 6000)); // two keyframes, so that their distance is known
    const all: Join[] = [];
    for (let i = 0; i < joins; i++) all.push(await page.evaluate(join, endpoint));
    const calm = all.filter((j) => j.others < 150);
    const of = (figure: keyof Join) => (calm.length > 0 ? calm : all).map((j) => j[figure]);
    const row = (values: number[]) => ({
      p50: quantile(values, 0.5),
      p95: quantile(values, 0.95),
      most: quantile(values, 1),
    });
    console.log(`${calm.length} of ${joins} joins while the machine kept up`);
    console.table({
      "first picture": row(of("first")),
      "live edge": row(of("live")),
      "longest pause": row(of("pause")),
    });
    expect(quantile(of("first"), long ? 0.95 : 0.5)).toBeLessThan(long ? 150 : 1000);
    expect(quantile(of("live"), long ? 0.95 : 0.5)).toBeLessThan(long ? 700 : 2500);
    expect(quantile(of("pause"), long ? 0.95 : 0.5)).toBeLessThan(long ? 250 : 500);
  } finally {
    await publisher.stop();
    await browser.close();
    expect(await server.stop(), server.log).toBe(0);
    await rm(folder, { recursive: true, force: true });
  }
}, 240_000);
