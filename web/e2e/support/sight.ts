import type { Page } from "playwright-core";

/** A picture that was shown: when, in ms of the page's clock, and how many lines it had. */
export interface Shown {
  at: number;
  height: number;
  /** When it was on the screen, in ms of the same clock. */
  due: number;
  /** Its place in the media, in ms. */
  media: number;
  /** How many pictures have been shown until then, also such as were not noted. */
  count: number;
  /** How many were decoded until then and not shown, as the machine was late. */
  dropped: number;
}

/** What a viewer saw between two instants. */
export interface Sight {
  /** Time without a new picture in ms, in pauses of more than 200 ms. */
  frozen: number;
  /** Pictures per second. */
  rate: number;
}

/** Notes every picture that a page's player shows from now on. */
export async function observe(page: Page): Promise<void> {
  await page.getByTestId("video").evaluate((video: HTMLVideoElement) => {
    const seen: Shown[] = [];
    Object.assign(window, { seen });
    const look: VideoFrameRequestCallback = (at, frame) => {
      const { expectedDisplayTime: due, mediaTime, presentedFrames: count } = frame;
      const dropped = video.getVideoPlaybackQuality().droppedVideoFrames;
      seen.push({ at, height: video.videoHeight, due, media: mediaTime * 1000, count, dropped });
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
}

/** All that was shown since observe. */
export function shown(page: Page): Promise<Shown[]> {
  return page.evaluate(() => (window as unknown as { seen: Shown[] }).seen);
}

/** The page's clock, in ms. */
export function clock(page: Page): Promise<number> {
  return page.evaluate(() => performance.now());
}

export function between(seen: Shown[], from: number, to: number): Sight {
  let frozen = 0;
  let last = from;
  let n = 0;
  const pause = (until: number) => {
    if (until - last > 200) frozen += until - last;
  };
  for (const { at } of seen) {
    if (at <= from || at > to) continue;
    pause(at);
    last = at;
    n++;
  }
  pause(to);
  return { frozen: Math.round(frozen), rate: Math.round((n * 10_000) / (to - from)) / 10 };
}

/** How long after an instant the first picture was shown that fits, in ms; undefined: never. */
export function firstAfter(seen: Shown[], after: number, fits: (height: number) => boolean): number | undefined {
  const found = seen.find(({ at, height }) => at > after && fits(height));
  return found && Math.round(found.at - after);
}

/** The value below which the share q of some values lies. */
export function quantile(values: number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

/** How evenly pictures followed each other. */
export interface Continuity {
  frames: number;
  /** The longest time on the screen without a new picture, in ms. */
  gap: number;
  /** The longest step in the media from one picture that was shown to the next, in ms. */
  hole: number;
  /** Pictures of 30 a second that were never there to be shown, and those that the machine was late for. */
  lost: number;
  dropped: number;
}

/** Looks at pictures one after the other; some may have been shown though nobody was called for them. */
export function continuity(seen: Shown[]): Continuity {
  const [first, last] = [seen[0], seen.at(-1)];
  if (!first || !last) return { frames: 0, gap: Number.NaN, hole: Number.NaN, lost: Number.NaN, dropped: Number.NaN };
  const dropped = last.dropped - first.dropped;
  const expected = Math.round((last.media - first.media) / (1000 / 30));
  const result = { frames: last.count - first.count, gap: 0, hole: 0, lost: 0, dropped };
  for (const [i, s] of seen.slice(1).entries()) {
    const before = seen[i] ?? s;
    const pictures = Math.max(1, s.count - before.count);
    result.gap = Math.max(result.gap, Math.round((s.due - before.due) / pictures));
    result.hole = Math.max(result.hole, Math.round((s.media - before.media) / pictures));
  }
  result.lost = Math.max(0, expected - result.frames - dropped);
  return result;
}
