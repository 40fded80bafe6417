/** The part of the past that can be watched. Pure. */

/** From when to when there is media, in ms since 1970 by the publisher's clock. */
export interface Window {
  start: number;
  end: number;
}

/** A window shorter than this, in seconds, is no use to go back in. */
export const LEAST_WINDOW = 8;
/** More than this behind live, in seconds, and the viewer is in the past. */
export const PAST = 6;

/** The window's length in seconds. */
export function windowLength(w: Window | undefined): number {
  return w ? Math.max(0, (w.end - w.start) / 1000) : 0;
}

/** Where the seek bar leads to: seconds behind live, as a whole number for people. */
export function behindText(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 2) return "Live";
  const minutes = Math.floor(s / 60);
  const rest = s % 60;
  const words = [minutes > 0 ? plural(minutes, "minute") : "", rest > 0 ? plural(rest, "second") : ""];
  return `${words.filter(Boolean).join(" ")} behind live`;
}

function plural(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

/** "-1:05" for the badge; "0:00" never appears, since that is live. */
export function behindBadge(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(s / 60);
  const hours = Math.floor(minutes / 60);
  const two = (n: number) => String(n).padStart(2, "0");
  return hours > 0 ? `-${hours}:${two(minutes % 60)}:${two(s % 60)}` : `-${minutes}:${two(s % 60)}`;
}

/**
 * Reads how far back a playlist goes: the media playlist to look at, from a
 * multivariant one, or the seconds that a media playlist holds.
 */
export function readPlaylist(text: string): { next: string } | { seconds: number } {
  const lines = text.split(/\r?\n/);
  let seconds = 0;
  let variant = false;
  let next: string | undefined;
  for (const line of lines) {
    const extinf = /^#EXTINF:([\d.]+)/.exec(line);
    if (extinf) seconds += Number(extinf[1]) || 0;
    // Sound is the cheapest, and always there when it is listed.
    const audio = /^#EXT-X-MEDIA:.*TYPE=AUDIO.*URI="([^"]+)"/.exec(line);
    if (audio) next ??= audio[1];
    if (line.startsWith("#EXT-X-STREAM-INF:")) variant = true;
    else if (variant && line !== "" && !line.startsWith("#")) {
      next ??= line;
      variant = false;
    }
  }
  return next === undefined ? { seconds } : { next };
}
