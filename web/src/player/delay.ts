/** By how much a delay shrinks, in ms, and how often. */
const STEP = 25;
const INTERVAL = 250;
/** The longest delay that browsers take, in ms. */
const MOST = 4000;

/** Plays a connection's media later than it could be, by its jitter buffers. */
export class Delay {
  #ms = 0;
  #slide: ReturnType<typeof setInterval> | undefined;

  constructor(readonly connection: () => RTCPeerConnection | undefined) {}

  /** Asks the browser to play so many ms behind, as far as it can. */
  set(ms: number): void {
    clearInterval(this.#slide);
    this.#ms = Math.min(MOST, Math.max(0, Math.round(ms)));
    this.apply();
  }

  /** Comes nearer to live again, so slowly that nobody notices. */
  release(): void {
    clearInterval(this.#slide);
    if (this.#ms === 0) return;
    this.#slide = setInterval(() => {
      this.#ms = Math.max(0, this.#ms - STEP);
      this.apply();
      if (this.#ms === 0) clearInterval(this.#slide);
    }, INTERVAL);
  }

  /** Tells a new connection. */
  apply(): void {
    for (const receiver of this.connection()?.getReceivers() ?? []) {
      (receiver as { jitterBufferTarget?: number | null }).jitterBufferTarget = this.#ms || null;
    }
  }
}
