/** Tokens and stream names as the pages know them. */

/** The stream of a page's path, e.g. of /watch/demo; undefined when it is no name. */
export function streamOf(pathname: string): string | undefined {
  const match = /^\/(?:broadcast|watch|embed)\/([A-Za-z0-9][A-Za-z0-9_-]{0,63})\/?$/.exec(pathname);
  return match?.[1];
}

/** Whether a text may be a stream's name. */
export function isStreamName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(name);
}

/** The pages keep their tokens apart: a publish token never reaches a watch page. */
export type Role = "publish" | "watch" | "admin";

const memory = new Map<string, string>();
const key = (role: Role, stream: string) => `freshet.token.${role}.${stream}`;

/** The token kept for a role and stream in this tab. */
export function loadToken(role: Role, stream: string): string | undefined {
  try {
    return sessionStorage.getItem(key(role, stream)) ?? undefined;
  } catch {
    // Storage is closed to some embedded frames.
    return memory.get(key(role, stream));
  }
}

/** Keeps a token for this tab; an empty one is forgotten. */
export function saveToken(role: Role, stream: string, token: string): void {
  const name = key(role, stream);
  try {
    if (token) sessionStorage.setItem(name, token);
    else sessionStorage.removeItem(name);
  } catch {
    memory.set(name, token);
  }
}

/**
 * Takes the token out of ?token= and cleans the address bar, so that a copied
 * address or a screen picture does not give it away. Returns it, or what was
 * kept before.
 */
export function takeToken(role: Role, stream: string): string | undefined {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (token !== null) {
    saveToken(role, stream, token);
    url.searchParams.delete("token");
    history.replaceState(history.state, "", url);
  }
  return loadToken(role, stream);
}

const GUEST = "freshet.guest.key";

/**
 * A random text that stays the same for this browser. A server without keys
 * takes any text for a token: so its bearer is the same person on each visit,
 * by whichever path.
 */
export function guestKey(): string {
  const kept = memory.get(GUEST) ?? stored(GUEST);
  if (kept) return kept;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const made = `guest-${[...bytes].map((b) => b.toString(16).padStart(2, "0")).join("")}`;
  memory.set(GUEST, made);
  try {
    localStorage.setItem(GUEST, made);
  } catch {
    // It holds for this visit.
  }
  return made;
}

function stored(name: string): string | undefined {
  try {
    return localStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

/** The path that a page's address asks for by ?mode=; undefined is the player's own choice. */
export function modeOf(search: string): "whep" | "hls" | undefined {
  const mode = new URLSearchParams(search).get("mode");
  return mode === "whep" || mode === "hls" ? mode : undefined;
}
