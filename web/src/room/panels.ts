import { html, nothing, type TemplateResult } from "lit";
import { icon } from "./icons.ts";
import { nameOf } from "./line.ts";
import { personMenu } from "./menu.ts";
import type { RoomModel } from "./model.ts";
import { span } from "./notices.ts";
import type { Person } from "./protocol.ts";

/** What panels do beside commands. */
export interface PanelActions {
  close(): void;
  menu(person: Person, button: HTMLElement): void;
  setTimed(on: boolean): void;
}

const SLOW = [0, 5, 10, 30, 60, 300];

function panel(title: string, close: () => void, body: TemplateResult): TemplateResult {
  return html`<section class="panel" aria-label=${title} data-testid="panel">
    <header><h3 tabindex="-1">${title}</h3><button class="tool" aria-label="Close" title="Close" data-testid="close-panel" @click=${close}>${icon("close")}</button></header>
    ${body}
  </section>`;
}

/** Who is here. */
export function peoplePanel(model: RoomModel, act: PanelActions): TemplateResult {
  const { chat } = model;
  const { people } = chat;
  const row = (person: Person) => html`<li class="person">
    <span>${nameOf(person)}${person.identity === chat.you.identity ? html` <span class="muted">you</span>` : nothing}</span>
    ${
      personMenu(person, chat).length > 0
        ? html`<button class="tool" aria-haspopup="menu" aria-label="Menu of ${person.name}" @click=${(e: Event) => act.menu(person, e.currentTarget as HTMLElement)}>${icon("more")}</button>`
        : nothing
    }
  </li>`;
  return panel(
    `${people?.count ?? 0} here`,
    act.close,
    people?.list
      ? html`<ul class="people" data-testid="people">${people.list.map(row)}</ul>`
      : html`<p class="muted">The list is there for up to 100 people.</p>`,
  );
}

/** What one chooses for oneself, and a moderator for all. */
export function settingsPanel(
  model: RoomModel,
  confirming: boolean,
  confirm: (on: boolean) => void,
  act: PanelActions,
): TemplateResult {
  const { chat } = model;
  const body = html`
    ${
      model.picture
        ? html`<label class="check"><input type="checkbox" data-testid="timed" .checked=${model.timeline.on} @change=${(e: Event) => act.setTimed((e.target as HTMLInputElement).checked)} />
        <span>Messages keep pace with the picture<small>They show when your picture has got to what their authors saw.</small></span></label>`
        : nothing
    }
    ${chat.allows("settings") ? moderation(model) : nothing}
    ${chat.allows("clear") ? clearing(model, confirming, confirm) : nothing}
    ${chat.allows("unban") ? bans(model) : nothing}`;
  return panel("Settings", act.close, body);
}

function moderation(model: RoomModel): TemplateResult {
  const { slowMode, locked } = model.chat.settings;
  const steps = SLOW.includes(slowMode) ? SLOW : [...SLOW, slowMode].sort((a, b) => a - b);
  const set = (change: Partial<{ slowMode: number; locked: boolean }>) =>
    model.command({ type: "settings", slowMode, locked, ...change });
  return html`<div class="field">
      <label for="slow">Slow mode for viewers</label>
      <select id="slow" data-testid="slow" @change=${(e: Event) => set({ slowMode: Number((e.target as HTMLSelectElement).value) })}>
        ${steps.map((s) => html`<option value=${s} ?selected=${s === slowMode}>${s === 0 ? "Off" : `One message in ${span(s)}`}</option>`)}
      </select>
    </div>
    <label class="check"><input type="checkbox" data-testid="lock" .checked=${locked} @change=${(e: Event) => set({ locked: (e.target as HTMLInputElement).checked })} />
      <span>Lock the room<small>Viewers do not write, and nobody new comes in.</small></span></label>`;
}

function clearing(model: RoomModel, confirming: boolean, confirm: (on: boolean) => void): TemplateResult {
  if (!confirming) {
    return html`<div><button class="button danger small" data-testid="clear" @click=${() => confirm(true)}>Clear the chat…</button></div>`;
  }
  const clear = () => {
    model.command({ type: "clear" });
    confirm(false);
  };
  return html`<div class="sure" role="alertdialog" aria-label="Clear the chat">
    <p>All messages go, for everybody. Are you sure?</p>
    <button class="button danger small" data-testid="clear-sure" @click=${clear}>Clear</button>
    <button class="button small" @click=${() => confirm(false)}>Keep</button>
  </div>`;
}

function bans(model: RoomModel): TemplateResult | typeof nothing {
  const now = Date.now() + model.chat.skew;
  const standing = [...model.chat.bans.values()].filter((b) => b.until === 0 || b.until > now);
  if (standing.length === 0) return nothing;
  return html`<div class="field"><h4>Banned</h4><ul class="people" data-testid="bans">
    ${standing.map(
      (ban) => html`<li class="person"><span><bdi>${model.chat.nameFor(ban.target)}</bdi>
        ${ban.until > 0 ? html`<small class="muted">for ${span(Math.max(1, Math.round((ban.until - now) / 1000)))} more</small>` : nothing}</span>
        <button class="button small" data-testid="unban" @click=${() => model.command({ type: "unban", target: ban.target })}>Lift</button></li>`,
    )}
  </ul></div>`;
}
