import { html, type TemplateResult } from "lit";

/** Icons of the chat, drawn on a grid of 24 like the player's. */
const PATHS = {
  people:
    "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5c0-3.5 3-5.5 6.5-5.5s6.5 2 6.5 5.5M16 4.8a3.5 3.5 0 0 1 0 6.4M18 14.4c2.2.6 3.5 2.4 3.5 5.1",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  send: "M4 12l16-8-5 16-4-6.5z",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  reply: "M9 6L4 11l5 5M4 11h9c4 0 7 2 7 7",
  pin: "M9 3.5h6l-1 7 3.5 3.5h-11L10 10.5zM12 14v6.5",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v13M6 12.5l6 6 6-6",
  announce: "M4 10v4h3l8 4.5v-13L7 10zM18.5 9.5a4 4 0 0 1 0 5",
  clock: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 7.5V12l3 2",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon that screen readers pass over; its button carries the name. */
export function icon(name: IconName): TemplateResult {
  return html`<svg viewBox="0 0 24 24" aria-hidden="true" class="icon ${name}"><path d=${PATHS[name]} /></svg>`;
}
