import { html, nothing, type TemplateResult } from "lit";
import type { Director } from "./director.ts";
import { type IconName, icon } from "./icons.ts";
import { behindBadge, behindText, LEAST_WINDOW, windowLength } from "./window.ts";

/** What the controls do; the element does it. */
export interface ControlActions {
  togglePlay(): void;
  setMuted(muted: boolean): void;
  setVolume(volume: number): void;
  toggleMenu(): void;
  toggleStats(): void;
  togglePip(): void;
  toggleFull(): void;
  /** The bar was moved to so many seconds behind live; `done` when it was let go. */
  scrub(behind: number, done: boolean): void;
  goLive(): void;
}

/** What the controls show beside the Director's state. */
export interface ControlView {
  muted: boolean;
  menuOpen: boolean;
  statsOpen: boolean;
  full: boolean;
  /** Where the bar is being moved to; undefined while it is not. */
  scrubbing: number | undefined;
}

/** The line of buttons. */
export function controlBar(director: Director, view: ControlView, act: ControlActions): TemplateResult {
  const { video } = director.stage;
  const key = (
    name: IconName,
    label: string,
    run: () => void,
    pressed?: boolean,
  ) => html`<button class="key" aria-label=${label} title=${label} aria-pressed=${pressed ?? nothing}
      data-testid=${name} @click=${run}>${icon(name)}</button>`;
  const { qualities, chosen } = director.engine;
  const quality = qualities.find((q) => q.id === chosen)?.label ?? "Auto";
  const { muted, full } = view;
  const volume = (event: Event) => act.setVolume(Number((event.target as HTMLInputElement).value));
  return html`<div class="bar" role="group" aria-label="Player controls">
    ${seekBar(director, view, act)}
    ${key(video.paused ? "play" : "pause", video.paused ? "Play (k)" : "Pause (k)", act.togglePlay)}
    ${key(muted ? "muted" : "sound", muted ? "Sound on (m)" : "Mute (m)", () => act.setMuted(!muted))}
    <input class="volume" type="range" min="0" max="1" step="0.05" aria-label="Volume" .value=${String(muted ? 0 : video.volume)} @input=${volume} />
    ${liveButton(director, act)}
    <span class="space"></span>
    ${qualities.length > 0 ? html`<button class="key quality" aria-haspopup="menu" aria-expanded=${view.menuOpen} data-testid="quality" title="Quality" aria-label="Quality: ${quality}" @click=${act.toggleMenu}>${icon("quality")} <span>${quality}</span></button>` : nothing}
    ${key("stats", "Statistics (s)", act.toggleStats, view.statsOpen)}
    ${document.pictureInPictureEnabled ? key("pip", "Picture in picture", act.togglePip) : nothing}
    ${key(full ? "shrink" : "full", full ? "Leave full screen (f)" : "Full screen (f)", act.toggleFull)}
  </div>`;
}

/** The bar over the part of the past that can be watched. */
function seekBar(
  director: Director,
  view: ControlView,
  act: ControlActions,
): TemplateResult | typeof nothing {
  const length = Math.floor(windowLength(director.window));
  if (length < LEAST_WINDOW) return nothing;
  const behind = Math.min(length, view.scrubbing ?? (director.atLive ? 0 : director.behind));
  const value = (event: Event) => -Number((event.target as HTMLInputElement).value);
  const filled = `--filled: ${(100 * (1 - behind / length)).toFixed(1)}%`;
  return html`<div class="seek">
    <input class="past" type="range" min=${-length} max="0" step="1" aria-label="Time behind live" data-testid="seek"
      aria-valuetext=${behindText(behind)} .value=${String(-Math.round(behind))} .style=${filled}
      @input=${(e: Event) => act.scrub(value(e), false)} @change=${(e: Event) => act.scrub(value(e), true)} />
    ${view.scrubbing === undefined ? nothing : html`<output class="badge" data-testid="scrub">${behindText(view.scrubbing) === "Live" ? "Live" : behindBadge(view.scrubbing)}</output>`}
  </div>`;
}

/** Tells whether the viewer is at live, and leads back there. */
function liveButton(director: Director, act: ControlActions): TemplateResult | typeof nothing {
  const { engine, atLive, behind } = director;
  if (!engine.everLive || engine.state === "ended") return nothing;
  const label = atLive ? "Playing live" : `${behindText(behind)}. Go live (l)`;
  return html`<button class="key edge" data-testid="to-live" data-live=${atLive} aria-label=${label} title=${label} ?disabled=${atLive} @click=${act.goLive}>
    <i></i><span>${atLive ? "Live" : behindBadge(behind)}</span>${atLive ? nothing : html`<b>Go live</b>`}
  </button>`;
}
