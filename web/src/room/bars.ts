import { html, nothing, type TemplateResult } from "lit";
import { icon } from "./icons.ts";
import { nameOf, textOf } from "./line.ts";
import type { RoomModel } from "./model.ts";

/** What can be opened over the messages. */
export type Panel = "people" | "settings";

/** The bar at the top: how many are here, and what opens panels. `watching` adds the viewers of the stream. */
export function headBar(
  model: RoomModel | undefined,
  open: Panel | undefined,
  watching: boolean,
  toggle: (panel: Panel) => void,
): TemplateResult {
  const chat = model?.chat;
  const count = chat?.people?.count;
  const viewers = watching ? chat?.stream?.viewers : undefined;
  const button = (
    panel: Panel,
    label: string,
    body: TemplateResult,
  ) => html`<button class="tool wide" aria-label=${label} title=${label} aria-expanded=${open === panel}
    data-testid="${panel}-button" @click=${() => toggle(panel)}>${body}</button>`;
  return html`<header class="head"><h2>Chat</h2>
    ${viewers === undefined ? nothing : html`<span class="muted numbers" data-testid="watching">${viewers} watching</span>`}
    <span class="grow"></span>
    ${count === undefined ? nothing : button("people", `${count} here`, html`${icon("people")}<span class="numbers" data-testid="count">${count}</span>`)}
    ${button("settings", "Settings of the chat", icon("settings"))}
  </header>`;
}

/** The pinned message, once the picture has got to it. */
export function pinnedBar(model: RoomModel): TemplateResult | typeof nothing {
  const { pinned } = model.chat;
  if (!pinned?.text || !model.visible(pinned)) return nothing;
  const unpin = () => model.command({ type: "pin", target: "" });
  return html`<div class="pinned" data-testid="pinned">${icon("pin")}
    <p tabindex="0" aria-label="Pinned message">${nameOf(pinned.from)} <span dir="auto">${textOf(pinned.text)}</span></p>
    ${model.chat.allows("pin") ? html`<button class="tool" aria-label="Unpin" title="Unpin" data-testid="unpin" @click=${unpin}>${icon("close")}</button>` : nothing}
  </div>`;
}

/** Says so when one is not in the room, or when messages wait for the picture. */
export function standingBar(model: RoomModel): TemplateResult | typeof nothing {
  const { standing, reason } = model.client;
  const over = standing === "over";
  if (over || standing === "waiting" || (standing === "connecting" && reason)) {
    const mayTry = standing === "waiting" || (over && !model.banned);
    return html`<div class="standing" role="status" data-testid="standing"><span>${reason} ${over ? "" : "Coming back…"}</span>
      ${mayTry ? html`<button class="link" data-testid="retry" @click=${() => model.client.retry()}>Try now</button>` : nothing}</div>`;
  }
  const { waiting } = model.timeline;
  if (waiting === 0) return nothing;
  return html`<div class="standing ahead" data-testid="ahead">${icon("clock")}<span class="numbers">${waiting} wait${waiting === 1 ? "s" : ""} for your picture</span></div>`;
}
