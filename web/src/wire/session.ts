import { type Link, parseLinks } from "./link.ts";
import { problemCode, problemText, RequestError } from "./problem.ts";
import { retryAfter } from "./retry.ts";
import { type TrickledCandidate, writeFragment } from "./sdp.ts";

const SDP = "application/sdp";
const FRAGMENT = "application/trickle-ice-sdpfrag";
const TIMEOUT = 10_000;

/** fetch with the token, a time limit, and every failure as a RequestError. */
export async function request(
  url: string,
  init: RequestInit & { token?: string | undefined; timeout?: number },
): Promise<Response> {
  const { token, timeout = TIMEOUT, signal, ...rest } = init;
  const headers = new Headers(rest.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const limits = timeout > 0 ? [AbortSignal.timeout(timeout)] : [];
  if (signal) limits.push(signal);
  let response: Response;
  try {
    response = await fetch(url, { ...rest, headers, signal: AbortSignal.any(limits), cache: "no-store" });
  } catch (cause) {
    throw new RequestError(0, problemText(0, null, ""), undefined, { cause });
  }
  if (response.ok) return response;
  const body = await response.text().catch(() => "");
  const type = response.headers.get("Content-Type");
  throw new RequestError(
    response.status,
    problemText(response.status, type, body),
    retryAfter(response.headers.get("Retry-After"), Date.now()),
    undefined,
    parseLinks(response.headers.get("Link")),
    problemCode(type, body),
  );
}

/** A WHIP or WHEP session resource (RFC 9725 section 4.2; the two are alike). */
export class HttpSession {
  /** False once the server has refused a trickle PATCH as unsupported. */
  #trickles = true;

  private constructor(
    readonly url: string,
    readonly answer: string,
    readonly links: Link[],
    readonly token: string | undefined,
    private etag: string | null,
  ) {}

  /** Posts the offer. Throws RequestError when the server refuses or is away. */
  static async open(
    endpoint: string,
    offer: string,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<HttpSession> {
    const headers = { "Content-Type": SDP, Accept: SDP };
    const response = await request(endpoint, { method: "POST", headers, body: offer, token, signal });
    const location = response.headers.get("Location");
    if (response.status !== 201 || !location) {
      throw new RequestError(502, "The server's answer to the offer is not one of WHIP or WHEP.");
    }
    const url = new URL(location, response.url).href;
    const links = parseLinks(response.headers.get("Link"));
    return new HttpSession(url, await response.text(), links, token, response.headers.get("ETag"));
  }

  /** The address of a link's target, which may be relative to the session. */
  resolve(link: Link): string {
    return new URL(link.target, this.url).href;
  }

  /** Sends candidates (RFC 9725 section 4.3.2). Failures other than "not supported" are thrown. */
  async trickle(offer: string, candidates: TrickledCandidate[], complete: boolean, signal: AbortSignal) {
    if (!this.#trickles) return;
    try {
      await this.#patch(writeFragment(offer, candidates, complete), this.etag, signal);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      // 405, 415, 422 and 501 say that the server does not trickle; with 412
      // the candidates belong to an ICE session that a restart has replaced.
      if ([405, 415, 422, 501].includes(error.status)) this.#trickles = false;
      else if (error.status !== 412) throw error;
    }
  }

  /** Restarts ICE (RFC 9725 section 4.3.3) and returns the server's fragment. */
  async restart(offer: string, signal: AbortSignal): Promise<string> {
    const response = await this.#patch(writeFragment(offer, [], false), "*", signal);
    if (response.status !== 200) throw new RequestError(502, "The server did not restart ICE.");
    this.etag = response.headers.get("ETag") ?? this.etag;
    return response.text();
  }

  #patch(body: string, match: string | null, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { "Content-Type": FRAGMENT };
    if (match) headers["If-Match"] = match;
    return request(this.url, { method: "PATCH", headers, body, token: this.token, signal, timeout: 5000 });
  }

  /**
   * Ends the session. `keepalive` lets the request outlive the page. The
   * result is false when the server did not know the session any more.
   */
  async close(keepalive = false): Promise<boolean> {
    try {
      await request(this.url, {
        method: "DELETE",
        keepalive,
        token: this.token,
        timeout: keepalive ? 0 : 4000,
      });
      return true;
    } catch (error) {
      if (error instanceof RequestError && [404, 410].includes(error.status)) return false;
      throw error;
    }
  }
}
