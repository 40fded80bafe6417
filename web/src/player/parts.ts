import { html, nothing, type TemplateResult } from "lit";
import { bitrate, millis, percent, size } from "../wire/format.ts";
import type { Engine, Quality } from "./engine.ts";
import type { PlayerFigures } from "./figures.ts";
import { icon } from "./icons.ts";

/** What the middle of the player says, and the button that an error needs. */
export function message(engine: Engine, retry: () => void): TemplateResult {
  const { state, figures, warning, words: text } = engine;
  const detail = warning || text?.detail;
  const busy = state === "connecting" || state === "waiting" || state === "reconnecting";
  const soundOnly = state === "live" && engine.path === "whep" && figures?.videoCodec === "" && !warning;
  const shown = text || warning;
  return html`
    <div class="message ${shown && engine.everLive ? "veil" : ""}" data-testid="message">
      ${busy ? html`<div class="dots"><i></i><i></i><i></i></div>` : nothing}
      <div role="status">
        ${text ? html`<h2>${text.title}</h2>` : nothing}
        ${shown && detail ? html`<p>${detail}</p>` : nothing}
        ${soundOnly ? html`<p>Sound only</p>` : nothing}
        ${state === "live" ? html`<span class="hidden-text">Live</span>` : nothing}
      </div>
      ${state === "error" ? html`<button class="pill main" data-testid="retry" @click=${retry}>Try again</button>` : nothing}
    </div>`;
}

/** The list of the stats overlay. */
export function figuresList(f: PlayerFigures, firstFrame: number | undefined): TemplateResult {
  const rows: [string, string][] = [
    ["Path", f.path === "whep" ? "WHEP" : "LL-HLS"],
    ["Behind live", millis(f.latency)],
    ["Buffer", millis(f.buffer)],
    ["Resolution", size(f.width, f.height)],
    ["Frame rate", f.fps > 0 ? `${Math.round(f.fps)} fps` : "–"],
    ["Video", bitrate(f.videoBitrate)],
    ["Codecs", [f.videoCodec, f.audioCodec].filter(Boolean).join(" · ") || "–"],
    ["Dropped", `${f.framesDropped} of ${f.framesDecoded}`],
    ["Freezes", String(f.freezes)],
    ["First picture", firstFrame === undefined ? "–" : `${firstFrame} ms`],
    ["Transport", f.protocol || "–"],
  ];
  const whep: [string, string][] = [
    ["Audio", bitrate(f.audioBitrate)],
    ["Loss", `${percent(f.loss)} (${f.packetsLost})`],
    ["Round trip", millis(f.rtt)],
  ];
  const hls: [string, string][] = [["Throughput", bitrate(f.throughput ?? 0)]];
  rows.splice(6, 0, ...(f.path === "whep" ? whep : hls));
  return html`<dl class="figures" data-testid="figures" aria-label="Statistics">
    ${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
  </dl>`;
}

/** What the quality menu needs. */
export interface QualityView {
  qualities: readonly Quality[];
  chosen: string | undefined;
  choose(id: string | undefined): void;
  close(): void;
}

/** The quality menu: Auto and each layer. */
export function qualityMenu(view: QualityView): TemplateResult {
  const item = (id: string | undefined, label: string, note: string) => html`<button
    role="menuitemradio"
    aria-checked=${view.chosen === id}
    tabindex="-1"
    data-testid="quality-${id?.split(":")[1] ?? "auto"}"
    @click=${() => view.choose(id)}
  >
    <span>${view.chosen === id ? icon("check") : nothing}</span><span>${label}</span><small>${note}</small>
  </button>`;
  return html`<div class="menu" role="menu" aria-label="Quality" data-testid="quality-menu" @keydown=${(event: KeyboardEvent) => menuKey(event, view)}>
    ${item(undefined, "Auto", "")}
    ${view.qualities.map((q) => item(q.id, q.label, q.bitrate > 0 ? bitrate(q.bitrate) : "not sent"))}
  </div>`;
}

/** Arrow keys, Home, End and Escape, as menus have them. */
function menuKey(event: KeyboardEvent, view: QualityView): void {
  const menu = event.currentTarget as HTMLElement;
  const items = [...menu.querySelectorAll("button")];
  const at = items.indexOf((menu.getRootNode() as ShadowRoot).activeElement as HTMLButtonElement);
  const to: Record<string, number> = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  };
  if (event.key === "Escape" || event.key === "Tab") view.close();
  else if (to[event.key] !== undefined) items[to[event.key] as number]?.focus();
  else return;
  if (event.key !== "Tab") event.preventDefault();
  event.stopPropagation();
}
