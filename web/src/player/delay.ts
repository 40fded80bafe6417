/** By how much a delay shrinks, in ms, and how often. */
const STEP = 25;
const INTERVAL = 250;
/** The longest delay that browsers take, in ms. */
const MOST = 4000;

/** Within this, in ms, two pictures are as near to each other as frames can be. */
const NEAR = 25;
/** How often the delay is corrected, in ms: it takes effect slowly. */
const CORRECTION = 1000;

/** Plays a connection's media later than it could be, by its jitter buffers. */
export class Delay {
  #ms = 0;
  #set = 0;
  #slide: ReturnType<typeof setInterval> | undefined;

  constructor(readonly connection: () => RTCPeerConnection | undefined) {}

  /** Asks the browser to play so many ms behind, as far as it can. */
  set(ms: number): void {
    clearInterval(this.#slide);
    this.#ms = Math.min(MOST, Math.max(0, Math.round(ms)));
    this.#set = performance.now();
    this.apply();
  }

  /** Corrects the delay of a picture that leads another by so many ms, below 0 if it follows. */
  correct(lead: number): void {
    const due = performance.now() - this.#set >= CORRECTION;
    if (due && Math.abs(lead) > NEAR) this.set(this.#ms + lead);
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
