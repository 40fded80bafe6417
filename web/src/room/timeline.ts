/** Shows what is said when the picture that it is about is seen. Pure. */

/** Something with a place on the picture's timeline. */
export interface Timed {
  key: string;
  /** When the picture was captured that its author saw, in ms since 1970; 0 is unknown. */
  mediaTime: number;
  /** When the server took it, in ms since 1970. */
  at: number;
  /** When it came here, in ms of the page's clock. */
  arrived: number;
  /** Its author is this page's own user. */
  own: boolean;
}

/** What is seen at present. */
export interface Moment {
  /** ms of the page's clock. */
  now: number;
  /** When the frame on the screen was captured; undefined: nothing is seen, so nothing waits. */
  capture: number | undefined;
  /** False while the viewer is in the past by choice. */
  live: boolean;
  /** The picture is as near to live as can be: nothing waits. */
  near: boolean;
}

/** At live nothing waits longer than this for its picture, in ms: some clock must be wrong. */
export const MOST_WAIT = 30_000;
/** A picture that is this much earlier than the one before, in ms, is a step back. */
const STEP_BACK = 1000;

/**
 * Two lists: what is shown, in the order in which it was, and what waits for
 * its picture. A step back in time takes away what was said later.
 */
export class Timeline<T extends Timed> {
  #shown: T[] = [];
  #waiting: T[] = [];
  #capture: number | undefined;
  #live = true;
  #on = true;

  get shown(): readonly T[] {
    return this.#shown;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Whether things wait for their picture at all; takes effect with the next step. */
  get on(): boolean {
    return this.#on;
  }
  set on(on: boolean) {
    this.#on = on;
  }

  /** Takes what has come; call step to see what of it is due. */
  add(...items: T[]): void {
    this.#waiting.push(...items);
  }

  /** Shows what is due now, in the order in which it came. The result tells whether `shown` has changed. */
  step(moment: Moment): boolean {
    const { capture, live } = moment;
    const back = capture !== undefined && capture < (this.#capture ?? capture) - STEP_BACK;
    const left = this.#live && !live;
    this.#capture = capture ?? this.#capture;
    this.#live = live;
    const changed = !live && (back || left) && this.#takeBack(moment);
    if (this.#waiting.length === 0) return changed;
    const due: T[] = [];
    const rest: T[] = [];
    for (const item of this.#waiting) (this.due(item, moment) ? due : rest).push(item);
    if (due.length === 0) return changed;
    this.#shown = [...this.#shown, ...due];
    this.#waiting = rest;
    return true;
  }

  /** Takes things off both lists. */
  remove(gone: (item: T) => boolean): boolean {
    const before = this.#shown.length;
    this.#shown = this.#shown.filter((item) => !gone(item));
    this.#waiting = this.#waiting.filter((item) => !gone(item));
    return this.#shown.length !== before;
  }

  /** Whether something may be shown now. */
  due(item: Timed, { now, capture, live, near }: Moment): boolean {
    if (!this.#on || capture === undefined || near) return true;
    if (!live) return time(item) <= capture;
    return item.own || item.mediaTime <= capture || now - item.arrived >= MOST_WAIT;
  }

  #takeBack(moment: Moment): boolean {
    const later = this.#shown.filter((item) => !this.due(item, moment));
    if (later.length === 0) return false;
    const gone = new Set(later);
    this.#shown = this.#shown.filter((item) => !gone.has(item));
    this.#waiting = [...later, ...this.#waiting];
    return true;
  }
}

/** Where a thing lies on the picture's timeline. */
function time(item: Timed): number {
  return item.mediaTime || item.at;
}
