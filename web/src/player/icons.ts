import { html, type TemplateResult } from "lit";

/** Icons of the controls, drawn on a grid of 24. */
const PATHS = {
  play: "M7 4.5v15l12.5-7.5z",
  pause: "M6.5 4.5h4v15h-4zM13.5 4.5h4v15h-4z",
  sound: "M4 9v6h4l5 4.5v-15L8 9zM16 8.2a5 5 0 0 1 0 7.6M18.6 5.4a9 9 0 0 1 0 13.2",
  muted: "M4 9v6h4l5 4.5v-15L8 9zM16.5 9.5l5 5M21.5 9.5l-5 5",
  quality: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  stats: "M5 19.5v-7M12 19.5v-15M19 19.5v-10",
  pip: "M3.5 5.5h17v13h-17zM12 12h6v4h-6z",
  full: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  shrink: "M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5",
  check: "M5 12.5l4.5 4.5L19 7.5",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon that screen readers pass over; its button carries the name. */
export function icon(name: IconName): TemplateResult {
  const filled = name === "play" || name === "pause";
  return html`<svg viewBox="0 0 24 24" aria-hidden="true" class=${filled ? "filled" : ""}>
    <path d=${PATHS[name]} />
  </svg>`;
}
