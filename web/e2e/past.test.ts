import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { latencies, quantile, recorded } from "./support/clock.ts";
import { Server } from "./support/server.ts";
import { path, recordFor, Studio } from "./support/studio.ts";

let studio: Studio;
beforeAll(async () => {
  studio = await Studio.open();
});
afterAll(() => studio.close());

/** Moves the seek bar, which is there once the stream is old enough, to so many seconds behind live. */
async function scrub(page: Page, behind: number): Promise<void> {
  const bar = page.getByTestId("seek");
  const reaches = async () => {
    // The player looks how far back it can go when somebody stirs.
    await page.mouse.move(200 + Math.random() * 100, 200);
    return (await bar.count()) > 0 && Number(await bar.getAttribute("min")) <= -behind;
  };
  await vi.waitUntil(reaches, { timeout: 40_000, interval: 500 });
  await bar.evaluate((input: HTMLInputElement, value) => {
    input.value = value;
    input.dispatchEvent(new Event("input"));
    input.dispatchEvent(new Event("change"));
  }, String(-behind));
}

test("the past can be watched, and one comes back to live", async () => {
  const page = await studio.play();
  await path(page, "whep");
  expect(await page.getByTestId("to-live").getAttribute("data-live")).toBe("true");
  await scrub(page, 12);
  await path(page, "hls");
  const { frames } = await recordFor(page, 3);
  const behind = quantile(latencies(frames), 0.5);
  console.log(`12 s back: ${Math.round(behind)} ms behind live`);
  expect(behind).toBeGreaterThan(10_500);
  expect(behind).toBeLessThan(17_000);
  await page.getByTestId("to-live").click();
  await page.getByTestId("live").waitFor();
  const back = await recordFor(page, 2);
  expect(quantile(latencies(back.frames), 0.9)).toBeLessThan(5000);
  await path(page, "whep", 60_000);
  await page.close();
});

test("the past is reached when playlists come late", async () => {
  // By then the element is open, and hls.js could load what is live before it knows its place.
  const page = await studio.play("", (p) =>
    p.route(/\/(audio|q|h|f)\/index\.m3u8$/, async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await route.continue();
    }),
  );
  await path(page, "whep");
  await scrub(page, 12);
  await path(page, "hls", 15_000);
  const { frames } = await recordFor(page, 2);
  expect(quantile(latencies(frames), 0.5)).toBeGreaterThan(10_500);
  await page.close();
});

/** Asks the player to go to what was captured so many seconds ago. */
async function seek(page: Page, behind: number): Promise<void> {
  await page.getByTestId("player").evaluate((player, s) => {
    (player as HTMLElement & { seek(capture: number): void }).seek(Date.now() - s * 1000);
  }, behind);
}

/** How many seconds a server has of the stream in the rendition that began last. */
async function age(server: Server): Promise<number> {
  const read = async (name: string) => {
    const response = await fetch(`${server.base}/hls/clock/${name}`);
    return response.ok ? await response.text() : "";
  };
  const names = [...(await read("index.m3u8")).matchAll(/^[^#\s]+\.m3u8/gm)].map(([name]) => name);
  const lists = await Promise.all(names.map(read));
  const lengths = lists.map((text) =>
    [...text.matchAll(/#EXTINF:([\d.]+)/g)].reduce((sum, [, seconds]) => sum + Number(seconds), 0),
  );
  return lengths.length === 0 ? 0 : Math.min(...lengths);
}

test("beyond the window the oldest moment is shown", async () => {
  const young = await Server.start();
  const camera = await studio.publish(young);
  const page = await studio.play("", undefined, young);
  await path(page, "whep");
  // A busy encoder begins its layers late, and one by one.
  await vi.waitUntil(async () => (await age(young)) >= 12, { timeout: 80_000, interval: 250 });
  const oldest = await age(young);
  await seek(page, 3600);
  await path(page, "hls");
  await recorded(page);
  const { frames } = await recordFor(page, 2);
  const behind = quantile(latencies(frames), 0.5);
  console.log(`asked for an hour ago of a stream of ${oldest.toFixed(1)} s: ${Math.round(behind)} ms behind live`);
  expect(behind).toBeGreaterThan(8000);
  expect(behind).toBeLessThan(oldest * 1000 + 20_000);
  await page.close();
  await camera.close();
  expect(await young.stop(), young.log).toBe(0);
}, 150_000);

test("where there is no past the player stays live and says so", async () => {
  const page = await studio.play();
  await path(page, "whep");
  await page.route(/\/hls\//, (route) => route.fulfill({ status: 404, body: "" }));
  await seek(page, 20);
  await page.getByTestId("notice").waitFor();
  await expect.poll(() => page.getByTestId("to-live").getAttribute("data-live")).toBe("true");
  await recorded(page);
  const { frames, paths } = await recordFor(page, 2);
  expect(paths).toEqual([]);
  expect(quantile(latencies(frames), 0.5)).toBeLessThan(5000);
  await page.close();
});
