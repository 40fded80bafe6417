import type { Page } from "playwright-core";
import { expect, vi } from "vitest";
import { openChromium } from "./browser.ts";
import { drawClock, type Recording, record, recorded } from "./clock.ts";
import { Server } from "./server.ts";

/** How long the run is that measures, in seconds. */
export const RUN = Number(process.env.E2E_RUN ?? 8);
/** With 60 and a machine that has nothing else to do the figures are held against their targets. */
export const STRICT = RUN >= 60;

/** A server, a browser, and a page of it that publishes a drawn clock in three layers as the stream "clock". */
export class Studio {
  private constructor(
    readonly server: Server,
    readonly browser: Awaited<ReturnType<typeof openChromium>>,
  ) {}

  static async open(): Promise<Studio> {
    const studio = new Studio(await Server.start(), await openChromium());
    await studio.publish();
    // A busy encoder begins its layers one by one.
    await vi.waitUntil(async () => (await studio.renditions()) === 3, { timeout: 60_000, interval: 250 });
    return studio;
  }

  /** Publishes a drawn clock at a server. */
  async publish(server = this.server): Promise<Page> {
    const page = await this.browser.context.newPage();
    await drawClock(page);
    await page.goto(`${server.base}/broadcast/clock`);
    await page.getByTestId("go-live").click();
    await page.getByTestId("end").waitFor();
    return page;
  }

  /** Opens the watch page with a recorder in it. */
  async play(query = "", prepare?: (page: Page) => Promise<void>, server = this.server): Promise<Page> {
    const page = await this.browser.context.newPage();
    await record(page);
    await prepare?.(page);
    await page.goto(`${server.base}/watch/clock${query}`);
    return page;
  }

  async close(): Promise<void> {
    await this.browser.close();
    expect(await this.server.stop(), this.server.log).toBe(0);
  }

  private async renditions(): Promise<number> {
    const text = await (await fetch(`${this.server.base}/hls/clock/index.m3u8`)).text();
    return text.split("#EXT-X-STREAM-INF").length - 1;
  }
}

/** Waits until the player shows the picture of a path. */
export async function path(page: Page, wanted: string, timeout = 30_000): Promise<void> {
  await page.locator(`freshet-player[data-state="live"][data-path="${wanted}"]`).waitFor({ timeout });
}

/** The recording of some seconds of playing. */
export async function recordFor(page: Page, seconds: number): Promise<Recording> {
  await recorded(page);
  await page.waitForTimeout(seconds * 1000);
  return recorded(page);
}
