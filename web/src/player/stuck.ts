/** Finds hls.js idle in front of media that it should load. Pure. */

/** What is looked at, several times a second. */
export interface LoadState {
  /** ms of one clock. */
  now: number;
  /** Where the buffer around the playhead ends, in seconds of media time. */
  bufferEnd: number;
  /** Where the playlist ends, in seconds of media time. */
  edge: number;
  /** Whether a piece of video is on its way. */
  loading: boolean;
}

/** Idle this long in front of media, in ms, is the dead-lock and no pause between two parts. */
const IDLE = 800;
/** Not growing for this long, in ms, is a dead-lock even with a request under way. */
const STANDING = 4000;
/** The playlist must be ahead by more than what hls.js may be about to load, in seconds. */
const AHEAD = 0.3;

/**
 * At a segment's end hls.js may take the last part for loaded and not loaded
 * at once, by a rounding error, and then loads nothing until a seek. Seen from
 * outside: the playlist grows, the buffer does not, and nothing is requested.
 */
export class StuckDetector {
  #end = Number.NaN;
  #moved = 0;
  #busy = 0;

  /** True when a seek is due; then the count starts over. */
  look(s: LoadState): boolean {
    if (s.bufferEnd !== this.#end) {
      this.#end = s.bufferEnd;
      this.#moved = s.now;
    }
    if (s.loading || s.edge - s.bufferEnd <= AHEAD) this.#busy = s.now;
    const idle = Math.min(s.now - this.#moved, s.now - this.#busy) >= IDLE;
    const standing = s.edge - s.bufferEnd > AHEAD && s.now - this.#moved >= STANDING;
    if (!idle && !standing) return false;
    this.#moved = s.now;
    this.#busy = s.now;
    return true;
  }
}
