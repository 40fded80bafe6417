/** Waits `ms`, or less when the signal aborts or the browser comes back online. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      globalThis.removeEventListener?.("online", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal.aborted) return done();
    signal.addEventListener("abort", done);
    // A network that is back is worth an early try.
    globalThis.addEventListener?.("online", done);
  });
}

/**
 * Resolves to true as soon as `test` holds after one of the events, to false
 * after `ms` or when the signal aborts.
 */
export function until(
  targets: EventTarget[],
  events: string[],
  test: () => boolean,
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const finish = (result: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      for (const target of targets) for (const event of events) target.removeEventListener(event, check);
      resolve(result);
    };
    const aborted = () => finish(false);
    const check = () => {
      if (test()) finish(true);
    };
    const timer = setTimeout(aborted, Math.min(ms, 2 ** 31 - 1));
    for (const target of targets) for (const event of events) target.addEventListener(event, check);
    signal.addEventListener("abort", aborted);
    if (signal.aborted) aborted();
    else check();
  });
}
