/** When the frame on the screen was captured, in ms since 1970 by the publisher's clock. Pure. */

/** A stretch of an HLS playlist: where it lies on the media timeline and when it was captured. */
export interface DatedFragment {
  /** Seconds of media time. */
  start: number;
  duration: number;
  /** ms since 1970; null where the playlist does not tell. */
  programDateTime: number | null;
}

/**
 * When the frame at a media time was captured. Playlists move under us, and
 * hls.js corrects starts when it has parsed the media: look anew for every
 * frame.
 */
export function captureAt(fragments: readonly DatedFragment[], mediaTime: number): number | undefined {
  const at = nearest(fragments, (f) => f.start <= mediaTime + EPSILON);
  return at && at.programDateTime !== null ? at.programDateTime + (mediaTime - at.start) * 1000 : undefined;
}

/** The media time, in seconds, of what was captured at a time: the reverse of captureAt. */
export function mediaTimeOf(fragments: readonly DatedFragment[], capture: number): number | undefined {
  const at = nearest(fragments, (f) => f.programDateTime !== null && f.programDateTime <= capture);
  if (!at || at.programDateTime === null) return undefined;
  // Where two stretches do not join, the first ends before the second begins.
  const past = Math.min(at.duration, (capture - at.programDateTime) / 1000);
  return at.start + Math.max(0, past);
}

/** A frame may be stamped a little before the stretch that it opens, in seconds. */
const EPSILON = 0.002;

/** The last fragment that `begun` holds for, or the first. */
function nearest(
  fragments: readonly DatedFragment[],
  begun: (f: DatedFragment) => boolean,
): DatedFragment | undefined {
  for (let i = fragments.length - 1; i >= 0; i--) {
    const f = fragments[i];
    if (f && begun(f)) return f;
  }
  return fragments[0];
}

/** RTP timestamps of video count at this rate per ms. */
const TICKS = 90;
/** How many observations the median is taken of. */
const MEMORY = 15;
/** More than this off, in ms, and the observations belong to another clock. */
const JUMP = 400;

/**
 * Maps RTP timestamps of one video track to the time of capture. Browsers tell
 * the mapping that sender reports give only through the estimated playout
 * time, some milliseconds off each time; the median of several is good to a
 * fraction of a frame.
 */
export class RtpClock {
  #offsets: number[] = [];
  #last: number | undefined;
  #wraps = 0;

  /** The frame with an RTP timestamp was captured at about `capture`, in ms since 1970. */
  observe(rtpTimestamp: number, capture: number): void {
    const offset = capture - this.#unwrap(rtpTimestamp) / TICKS;
    const known = median(this.#offsets);
    if (known !== undefined && Math.abs(offset - known) > JUMP) this.#offsets = [];
    this.#offsets.push(offset);
    if (this.#offsets.length > MEMORY) this.#offsets.shift();
  }

  /** When the frame with an RTP timestamp was captured; undefined before the first observation. */
  capture(rtpTimestamp: number): number | undefined {
    const offset = median(this.#offsets);
    return offset === undefined ? undefined : this.#unwrap(rtpTimestamp) / TICKS + offset;
  }

  /** Forgets everything: the timestamps begin anew. */
  reset(): void {
    this.#offsets = [];
    this.#last = undefined;
    this.#wraps = 0;
  }

  /** Continues 32-bit timestamps beyond their end, every 13 hours. */
  #unwrap(rtpTimestamp: number): number {
    const last = this.#last;
    let wraps = this.#wraps;
    if (last !== undefined && rtpTimestamp - last < -(2 ** 31)) wraps++;
    else if (last !== undefined && rtpTimestamp - last > 2 ** 31) wraps--;
    this.#wraps = wraps;
    this.#last = rtpTimestamp;
    return rtpTimestamp + wraps * 2 ** 32;
  }
}

function median(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : [...values].sort((a, b) => a - b)[values.length >> 1];
}
