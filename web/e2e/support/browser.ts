import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright-core";

const flags = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--allow-loopback-in-peer-connection",
  "--autoplay-policy=no-user-gesture-required",
];

/** Chromium with a new profile; close() ends it and removes the profile. */
export async function openChromium(options: { args?: string[]; width?: number; height?: number; dark?: boolean } = {}) {
  const profile = await mkdtemp(join(tmpdir(), "freshet-chromium-"));
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium",
    headless: true,
    args: [...flags, ...(options.args ?? [])],
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    colorScheme: options.dark ? "dark" : "light",
    permissions: ["camera", "microphone", "clipboard-read", "clipboard-write"],
  });
  return {
    context,
    page: async (url: string): Promise<Page> => {
      const page = await context.newPage();
      await page.goto(url);
      return page;
    },
    close: async () => {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** What a video element on the page shows: its size and how lively the picture is. */
export interface Picture {
  width: number;
  height: number;
  /** Mean brightness, 0 to 255. */
  brightness: number;
  /** Standard deviation of the brightness: 0 is a blank picture. */
  contrast: number;
  /** Frames that were presented while we looked. */
  frames: number;
  /** Mean difference between the first and the last frame looked at. */
  motion: number;
}

/** Runs in the page: samples the video for some frames. */
export async function samplePicture(video: HTMLVideoElement, frames: number): Promise<Picture> {
  const canvas = document.createElement("canvas");
  canvas.width = 64;
  canvas.height = 36;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no canvas");
  const grab = () => {
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const luma: number[] = [];
    for (let i = 0; i < rgba.length; i += 4) {
      luma.push(0.3 * (rgba[i] ?? 0) + 0.59 * (rgba[i + 1] ?? 0) + 0.11 * (rgba[i + 2] ?? 0));
    }
    return luma;
  };
  const next = () =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("no frame within 10 s")), 10_000);
      video.requestVideoFrameCallback(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  await next();
  const first = grab();
  for (let i = 1; i < frames; i++) await next();
  const last = grab();
  const mean = last.reduce((a, b) => a + b, 0) / last.length;
  const variance = last.reduce((a, b) => a + (b - mean) ** 2, 0) / last.length;
  const motion = last.reduce((a, b, i) => a + Math.abs(b - (first[i] ?? 0)), 0) / last.length;
  return {
    width: video.videoWidth,
    height: video.videoHeight,
    brightness: mean,
    contrast: Math.sqrt(variance),
    frames,
    motion,
  };
}
