/** Figures for people. Each has a fixed form, so that tables do not jump. */

/** bit/s as "850 kbit/s" or "2.5 Mbit/s". */
export function bitrate(bits: number): string {
  if (!Number.isFinite(bits) || bits <= 0) return "–";
  if (bits >= 999_500) return `${(bits / 1e6).toFixed(1)} Mbit/s`;
  return `${Math.round(bits / 1000)} kbit/s`;
}

/** Seconds as "12 ms"; a dash when unknown. */
export function millis(seconds: number | undefined): string {
  return seconds === undefined ? "–" : `${Math.round(seconds * 1000)} ms`;
}

/** A fraction as "0.4 %". */
export function percent(fraction: number | undefined): string {
  if (fraction === undefined) return "–";
  const value = fraction * 100;
  return `${value === 0 ? "0" : value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

/** "1280×720"; a dash when unknown. */
export function size(width: number, height: number): string {
  return width > 0 && height > 0 ? `${width}×${height}` : "–";
}

/** A duration in seconds as "2:05" or "1:02:05". */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60) % 60;
  const hours = Math.floor(s / 3600);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}
