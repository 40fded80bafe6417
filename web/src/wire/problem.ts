import type { Link } from "./link.ts";

/** A refusal by the server, or no answer at all (status 0). */
export class RequestError extends Error {
  override name = "RequestError";

  constructor(
    readonly status: number,
    message: string,
    /** The wait the server asks for, in milliseconds. */
    readonly retryAfter?: number,
    options?: ErrorOptions,
    /** What the refusal names instead. */
    readonly links: Link[] = [],
    /** Tells causes of the same status apart, e.g. "banned"; "" where the server does not. */
    readonly code = "",
  ) {
    super(message, options);
  }
}

const PLAIN: Record<number, string> = {
  0: "The server cannot be reached.",
  401: "This needs an access token.",
  403: "This access token does not allow that.",
  404: "The server does not know this stream.",
  406: "The server cannot serve what this browser can play.",
  409: "Somebody else is already live on this stream.",
  429: "Too many requests; trying again shortly.",
  503: "The server is full at the moment.",
};

/**
 * One sentence for people from a response's status and body: the detail of an
 * application/problem+json body (RFC 9457) when it has one.
 */
export function problemText(status: number, contentType: string | null, body: string): string {
  if ((contentType ?? "").includes("json")) {
    try {
      const problem: unknown = JSON.parse(body);
      if (problem && typeof problem === "object") {
        const { detail, title } = problem as { detail?: unknown; title?: unknown };
        if (typeof detail === "string" && detail) return sentence(detail);
        if (typeof title === "string" && title && !PLAIN[status]) return sentence(title);
      }
    } catch {
      // Not JSON after all: the plain words below serve.
    }
  }
  return PLAIN[status] ?? `The server answered with status ${status}.`;
}

/** The code of a problem document; "" where there is none. */
export function problemCode(contentType: string | null, body: string): string {
  if (!(contentType ?? "").includes("json")) return "";
  try {
    const code = (JSON.parse(body) as { code?: unknown } | null)?.code;
    return typeof code === "string" ? code : "";
  } catch {
    return "";
  }
}

function sentence(text: string): string {
  const trimmed = text.trim();
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
