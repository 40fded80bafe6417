/** When to try again, and when it has no use. Pure. */

/** Exponential backoff with jitter, in milliseconds. */
export class Backoff {
  #tries = 0;

  constructor(
    readonly first = 500,
    readonly most = 10_000,
    readonly random: () => number = Math.random,
  ) {}

  /** The wait before the next try: doubles each time, ±20 %, never above `most`. */
  next(): number {
    const base = Math.min(this.most, this.first * 2 ** Math.min(this.#tries++, 16));
    return Math.min(this.most, Math.round(base * (0.8 + 0.4 * this.random())));
  }

  /** Starts over, after a success. */
  reset(): void {
    this.#tries = 0;
  }

  get tries(): number {
    return this.#tries;
  }
}

/**
 * The wait that a Retry-After header asks for, in milliseconds: seconds or a
 * date (RFC 9110 section 10.2.3); undefined when absent or not readable.
 */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const text = header.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/**
 * Whether the same request may succeed later. 409 is the state of the stream
 * (taken, or not live yet), 429 and 503 are load, the rest of 4xx is ours to
 * mend.
 */
export function isTemporary(status: number): boolean {
  return (
    status === 0 || status === 408 || status === 409 || status === 425 || status === 429 || status >= 500
  );
}
