import type { Page } from "playwright-core";
import { expect } from "vitest";
import { type openChromium, type Picture, samplePicture } from "./browser.ts";
import type { Server } from "./server.ts";

type Browser = Awaited<ReturnType<typeof openChromium>>;

/** Opens the broadcast page and goes live with the fake camera. */
export async function goLive(browser: Browser, server: Server, stream: string, codec?: string): Promise<Page> {
  const page = await browser.page(`${server.base}/broadcast/${stream}`);
  const button = page.getByTestId("go-live");
  await button.waitFor();
  if (codec) await page.getByTestId("codec").selectOption(codec);
  await button.click();
  await page.getByTestId("end").waitFor();
  return page;
}

/** Opens the watch page, by WHEP whatever the machine makes of it; it does not wait for a picture. */
export function watch(browser: Browser, server: Server, stream: string): Promise<Page> {
  return browser.page(`${server.base}/watch/${stream}?mode=whep`);
}

/** Waits until the player says that it is in one of some states. */
export async function playerState(page: Page, ...states: string[]): Promise<void> {
  const selector = states.map((s) => `freshet-player[data-state="${s}"]`).join(", ");
  await page.locator(selector).waitFor({ timeout: 20_000 });
}

/** Looks at the picture that the player shows. */
export async function picture(page: Page, frames = 15): Promise<Picture> {
  return await page.getByTestId("video").evaluate(samplePicture, frames);
}

/** A lively picture of the height that the layer should have. */
export function expectPicture(p: Picture, height: number): void {
  expect(p.height).toBe(height);
  expect(p.width).toBe((height * 16) / 9);
  expect(p.contrast).toBeGreaterThan(5);
  expect(p.motion).toBeGreaterThan(0);
}

/** Waits until the picture has a height, at most so many ms. */
export async function pictureHeight(page: Page, height: number, timeout = 15_000): Promise<void> {
  await page.getByTestId("video").evaluate(
    (video: HTMLVideoElement, { wanted, timeout }) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`still ${video.videoHeight} lines`)), timeout);
        const look = () => {
          if (video.videoHeight !== wanted) return;
          clearTimeout(timer);
          video.removeEventListener("resize", look);
          resolve();
        };
        video.addEventListener("resize", look);
        look();
      }),
    { wanted: height, timeout },
  );
}

/** The player's own figures. */
export async function figures(page: Page) {
  return await page.locator("freshet-player").evaluate((player) =>
    (
      player as unknown as {
        stats(): Promise<{
          firstFrame?: number;
          framesDecoded: number;
          freezes: number;
          unstuck: number;
          packetsLost: number;
          videoCodec: string;
        }>;
      }
    ).stats(),
  );
}

/**
 * A lively picture of whichever layer. An encoder that begins anew takes its
 * time, some seconds to half a minute, until it can send the top one.
 */
export function expectLively(p: Picture): void {
  expect([180, 360, 720]).toContain(p.height);
  expect(p.contrast).toBeGreaterThan(5);
  expect(p.motion).toBeGreaterThan(0);
}
