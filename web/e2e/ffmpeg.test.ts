import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openChromium } from "./support/browser.ts";
import { FFmpegPublisher, makeClip } from "./support/ffmpeg.ts";
import { expectPicture, figures, picture, playerState, watch } from "./support/pages.ts";
import { Server } from "./support/server.ts";

let server: Server;
let browser: Awaited<ReturnType<typeof openChromium>>;
let folder: string;
let clip: string;

beforeAll(async () => {
  server = await Server.start();
  browser = await openChromium();
  folder = await mkdtemp(join(tmpdir(), "freshet-clip-"));
  clip = join(folder, "clip.mkv");
  await makeClip(clip, 40);
});

afterAll(async () => {
  await browser.close();
  await rm(folder, { recursive: true, force: true });
  expect(await server.stop(), server.log).toBe(0);
});

test("FFmpeg 8 publishes, Chromium watches and stays through its return", async () => {
  const viewer = await watch(browser, server, "ffmpeg");
  await playerState(viewer, "waiting");
  const first = FFmpegPublisher.start(`${server.base}/whip/ffmpeg`, clip);
  try {
    await playerState(viewer, "live");
    expectPicture(await picture(viewer, 60), 720);
    expect((await figures(viewer)).packetsLost).toBe(0);
  } finally {
    await first.stop();
  }
  await playerState(viewer, "reconnecting");
  const second = FFmpegPublisher.start(`${server.base}/whip/ffmpeg`, clip);
  try {
    await playerState(viewer, "live");
    expectPicture(await picture(viewer, 60), 720);
  } finally {
    await second.stop();
  }
  expect(first.output).toContain("sent ");
  await viewer.close();
});
