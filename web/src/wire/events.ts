import { RequestError } from "./problem.ts";
import { Backoff, isTemporary } from "./retry.ts";
import { request } from "./session.ts";
import { SseParser } from "./sse.ts";
import { pause } from "./timing.ts";

/** One event of a session's event stream. */
export interface SessionEvent {
  type: string;
  data: unknown;
}

/** How long an event stream may be silent before it is opened again, in ms. */
const SILENCE = 60_000;

/**
 * Subscribes to events of a WHEP session: POST the names, read the stream at
 * the Location. Opens it again when it breaks, until the signal aborts or the
 * server says that the session is over.
 */
export function subscribe(
  url: string,
  names: string[],
  token: string | undefined,
  signal: AbortSignal,
  take: (event: SessionEvent) => void,
): Promise<void> {
  return keepReading(token, signal, take, async () => {
    const body = JSON.stringify(names);
    const headers = { "Content-Type": "application/json" };
    const made = await request(url, { method: "POST", headers, body, token, signal });
    return new URL(made.headers.get("Location") ?? "", made.url).href;
  });
}

/**
 * Reads an event stream that is there by itself, with the same perseverance.
 * `lost` is called each time it breaks.
 */
export function listen(
  url: string,
  token: string | undefined,
  signal: AbortSignal,
  take: (event: SessionEvent) => void,
  lost: () => void,
): Promise<void> {
  return keepReading(token, signal, take, async () => url, lost);
}

async function keepReading(
  token: string | undefined,
  signal: AbortSignal,
  take: (event: SessionEvent) => void,
  address: () => Promise<string>,
  lost?: () => void,
): Promise<void> {
  const backoff = new Backoff(500, 5000);
  while (!signal.aborted) {
    try {
      await read(await address(), token, signal, (event) => {
        backoff.reset();
        take(event);
      });
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof RequestError && !isTemporary(error.status)) {
        lost?.();
        return;
      }
    }
    if (!signal.aborted) lost?.();
    await pause(backoff.next(), signal);
  }
}

async function read(
  url: string,
  token: string | undefined,
  signal: AbortSignal,
  take: (event: SessionEvent) => void,
): Promise<void> {
  const quiet = new AbortController();
  const headers = { Accept: "text/event-stream" };
  const either = AbortSignal.any([signal, quiet.signal]);
  const response = await request(url, { headers, token, signal: either, timeout: 0 });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  const parser = new SseParser();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    for (;;) {
      timer = setTimeout(() => quiet.abort(), SILENCE);
      const { done, value } = await reader.read();
      clearTimeout(timer);
      if (done) return;
      for (const { event, data } of parser.feed(value)) take({ type: event, data: parseJson(data) });
    }
  } finally {
    clearTimeout(timer);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
