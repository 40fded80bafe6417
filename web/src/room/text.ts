/** Texts of strangers, taken apart for a template to show as text. Pure. */

/** A piece of a text: words, or an address to link to. */
export type Piece = string | { href: string; text: string };

/** What an address may be made of; anything unseen or that turns the writing direction ends it. */
const ADDRESS = /https?:\/\/[^\s<>"'`\\\p{C}\p{Z}]+/giu;
/** What ends a sentence rather than an address. */
const TRAILING = /[.,;:!?*_~\]}»”’…]+$/u;
const MOST_ADDRESSES = 20;

/** Cuts a text at the http and https addresses in it. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let at = 0;
  let links = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = trim(match[0]);
    const href = target(address);
    if (!href || ++links > MOST_ADDRESSES) continue;
    if (match.index > at) found.push(text.slice(at, match.index));
    found.push({ href, text: address });
    at = match.index + address.length;
  }
  if (at < text.length) found.push(text.slice(at));
  return found;
}

/** Takes off what belongs to the sentence: punctuation, and a bracket that was opened before the address. */
function trim(address: string): string {
  for (;;) {
    const shorter = address.replace(TRAILING, "");
    const open = shorter.split("(").length;
    const closed = shorter.split(")").length;
    const next = closed > open && shorter.endsWith(")") ? shorter.slice(0, -1) : shorter;
    if (next === address) return address;
    address = next;
  }
}

/** Where an address leads; undefined when it is none that one should follow. */
function target(address: string): string | undefined {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  // https://bank.example@evil.example leads to the latter.
  if (url.username || url.password || !url.hostname) return undefined;
  return url.href;
}

/** How many characters a person would count, which is how the server counts: code points. */
export function length(text: string): number {
  return [...text].length;
}

/** The beginning of a text, on one line. */
export function shorten(text: string, most: number): string {
  const line = text.replace(/\s+/g, " ").trim();
  const characters = [...line];
  return characters.length <= most ? line : `${characters.slice(0, most - 1).join("")}…`;
}

/** A hue, 0 to 359, by which people are told apart; the same for an identity everywhere. */
export function hue(identity: string): number {
  let hash = 7;
  for (let i = 0; i < identity.length; i++) hash = (hash * 31 + identity.charCodeAt(i)) >>> 0;
  return (hash * 137) % 360;
}

/** Seconds as "8 s" or "2:05". */
export function countdown(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
