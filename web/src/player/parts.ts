import { html, nothing, type TemplateResult } from "lit";
import { bitrate, millis, percent, size } from "../wire/format.ts";
import { layerLabel, type QualityLayer } from "../wire/layers.ts";
import type { PlayerFigures } from "./figures.ts";
import { icon } from "./icons.ts";

/** The list of the stats overlay. */
export function figuresList(f: PlayerFigures, firstFrame: number | undefined): TemplateResult {
  const rows: [string, string][] = [
    ["Resolution", size(f.width, f.height)],
    ["Frame rate", f.fps > 0 ? `${Math.round(f.fps)} fps` : "–"],
    ["Video", bitrate(f.videoBitrate)],
    ["Audio", bitrate(f.audioBitrate)],
    ["Codecs", [f.videoCodec, f.audioCodec].filter(Boolean).join(" · ") || "–"],
    ["Loss", `${percent(f.loss)} (${f.packetsLost})`],
    ["Round trip", millis(f.rtt)],
    ["Jitter buffer", `${Math.round(f.jitterBuffer)} ms`],
    ["Dropped", `${f.framesDropped} of ${f.framesDecoded}`],
    ["Freezes", String(f.freezes)],
    ["First picture", firstFrame === undefined ? "–" : `${firstFrame} ms`],
    ["Transport", f.protocol || "–"],
  ];
  return html`<dl class="figures" data-testid="stats" aria-label="Statistics">
    ${rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}
  </dl>`;
}

/** What the quality menu needs. */
export interface QualityView {
  layers: QualityLayer[];
  chosen: string | undefined;
  choose(id: string | undefined): void;
  close(): void;
}

/** The quality menu: Auto and each layer. */
export function qualityMenu(view: QualityView): TemplateResult {
  const item = (id: string | undefined, label: string, note: string, off: boolean) => html`<button
    role="menuitemradio"
    aria-checked=${view.chosen === id}
    aria-disabled=${off ? "true" : nothing}
    tabindex="-1"
    data-testid="quality-${id?.split(":")[1] ?? "auto"}"
    @click=${() => view.choose(id)}
  >
    <span>${view.chosen === id ? icon("check") : nothing}</span><span>${label}</span><small>${note}</small>
  </button>`;
  return html`<div class="menu" role="menu" aria-label="Quality" data-testid="quality-menu" @keydown=${(event: KeyboardEvent) => menuKey(event, view)}>
    ${item(undefined, "Auto", "", false)}
    ${view.layers.map((l) => item(l.id, layerLabel(l), l.bitrate > 0 ? bitrate(l.bitrate) : "not sent", false))}
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
