/** What a screen reader is told of a chat: not every message of a busy one. Pure. */

/** At most one announcement in this time, in ms. */
const INTERVAL = 3000;
/** So many messages are read out; of more, their number and the last. */
const MOST_READ = 3;

/** Gathers what was said since the last announcement. */
export class Announcer {
  #said: string[] = [];
  #last = Number.NEGATIVE_INFINITY;

  add(text: string): void {
    this.#said.push(text);
  }

  /** What to announce now; undefined for nothing (more). `now` is in ms. */
  take(now: number): string | undefined {
    if (this.#said.length === 0 || now - this.#last < INTERVAL) return undefined;
    const said = this.#said;
    this.#said = [];
    this.#last = now;
    if (said.length <= MOST_READ) return said.join("\n");
    return `${said.length} new messages. The last: ${said.at(-1)}`;
  }
}
