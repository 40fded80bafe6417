/** When to show the other path's picture instead of this one. Pure. */

/** What is known of the two pictures; captures are in ms since 1970. */
export interface Meeting {
  /** ms of one clock since the hand-over began. */
  elapsed: number;
  /** The capture time of the frame that is seen; undefined where it cannot be told. */
  from: number | undefined;
  /** When that frame came, in ms before now. */
  fromAge: number;
  /** The capture time of the frame that would be seen. */
  to: number | undefined;
}

/** How the hand-over went. */
export interface Seam {
  /** Media that is seen twice (below 0) or never (above 0), in ms; undefined when it cannot be told. */
  step: number | undefined;
  /** How long both pictures were decoded, in ms. */
  took: number;
}

/** The next frame follows the last by at most so much, in ms, at 24 frames per second and more. */
const NEXT_FRAME = 45;
/** A frame this old, in ms, is not followed by another: the picture stands. */
const STANDING = 400;
/** How long two pictures may take to meet, in ms; afterwards the difference is skipped or repeated. */
export const PATIENCE = 9000;

/**
 * Whether to switch at this frame of the hidden picture: when it is the one
 * that follows the frame that is seen; when the seen picture stands and this
 * one has gone past it; or when waiting longer would not help.
 */
export function meets(m: Meeting, patience = PATIENCE): boolean {
  if (m.elapsed >= patience) return true;
  if (m.to === undefined || m.from === undefined) return m.fromAge > STANDING || m.elapsed >= patience / 3;
  const step = m.to - m.from;
  if (m.fromAge > STANDING) return step >= 0;
  return step >= 0 && step <= NEXT_FRAME;
}

/** The figures of a switch at this frame. */
export function seam(m: Meeting, frameTime = 33): Seam {
  const step = m.to === undefined || m.from === undefined ? undefined : m.to - m.from - frameTime;
  return { step: step === undefined ? undefined : Math.round(step), took: Math.round(m.elapsed) };
}
