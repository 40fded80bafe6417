import { html, nothing, type TemplateResult } from "lit";
import type { Chat, Line } from "./chat.ts";
import { icon } from "./icons.ts";
import { type Pending, reason } from "./model.ts";
import type { Person, Role } from "./protocol.ts";
import { hue, pieces, shorten } from "./text.ts";

/** What a line's buttons do. */
export interface LineActions {
  menu(line: Line, button: HTMLElement): void;
  reply(line: Line): void;
  /** Brings the line of an Entry into sight. */
  reveal(key: string): void;
  again(line: Pending): void;
  discard(line: Pending): void;
}

const BADGES: Partial<Record<Role, string>> = { host: "Host", moderator: "Mod", speaker: "Speaker" };

/** A person's name with the role; isolated, so that no name turns what stands beside it. */
export function nameOf(person: Person | undefined): TemplateResult {
  const name = person?.name || "Freshet";
  const role = person && BADGES[person.role];
  return html`<bdi class="name" .style=${`--hue:${hue(person?.identity ?? "")}`}>${name}</bdi>${
    role ? html` <span class="role ${person.role}">${role}</span>` : nothing
  }`;
}

/** A text with its addresses as links. Everything goes through text bindings: nothing in it is markup. */
export function textOf(text: string): (string | TemplateResult)[] {
  return pieces(text).map((piece) =>
    typeof piece === "string"
      ? piece
      : html`<a href=${piece.href} target="_blank" rel="noopener noreferrer nofollow ugc">${piece.text}</a>`,
  );
}

/** One row of the list. */
export function row(line: Line, chat: Chat, act: LineActions): TemplateResult {
  if (line.kind === "notice")
    return html`<div class="row notice" role="article" aria-label=${line.text} data-key=${line.key} tabindex="-1">${line.text}</div>`;
  const sent = (line as Partial<Pending>).sent;
  const time = new Date(line.at);
  const label = `${line.from?.name || "Freshet"}: ${line.deleted ? "message deleted" : shorten(line.text, 200)}`;
  const look = `${line.kind} ${line.own ? "own" : ""} ${sent ? "pending" : ""} ${sent?.refused ? "failed" : ""}`;
  return html`<div class="row ${look}" role="article" aria-label=${label} data-key=${line.key} data-testid="message" tabindex="-1">
    ${line.replyTo ? quote(chat.line(line.replyTo), line.replyTo, act) : nothing}
    <div class="said">
      ${line.kind === "announcement" ? html`<span class="label">${icon("announce")} Announcement</span>` : nothing}
      ${nameOf(line.from)}
      ${line.deleted ? html`<span class="deleted">Message deleted</span>` : html`<span class="text" dir="auto" data-testid="text">${textOf(line.text)}</span>`}
    </div>
    ${sent ? fate(line as Pending, act) : tools(line, time, chat, act)}
  </div>`;
}

/** The message that this one answers. */
function quote(line: Line | undefined, key: string, act: LineActions): TemplateResult {
  if (!line || line.deleted)
    return html`<div class="quote">${icon("reply")} <span>a message that is not here any more</span></div>`;
  return html`<button class="quote" tabindex="-1" @click=${() => act.reveal(key)}>${icon("reply")}
    <span><bdi>${line.from?.name || "Freshet"}</bdi>: <bdi>${shorten(line.text, 90)}</bdi></span></button>`;
}

function tools(line: Line, time: Date, chat: Chat, act: LineActions): TemplateResult {
  const clock = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const who = line.from?.name || "Freshet";
  return html`<div class="tools">
    <time datetime=${time.toISOString()}>${clock}</time>
    ${chat.allows("message") && !line.deleted ? html`<button class="tool" tabindex="-1" aria-label="Reply to ${who}" title="Reply" data-testid="reply" @click=${() => act.reply(line)}>${icon("reply")}</button>` : nothing}
    <button class="tool" tabindex="-1" aria-haspopup="menu" aria-label="Menu of the message by ${who}" title="More" data-testid="more"
      @click=${(e: Event) => act.menu(line, e.currentTarget as HTMLElement)}>${icon("more")}</button>
  </div>`;
}

/** What has become of a line of one's own. */
function fate(line: Pending, act: LineActions): TemplateResult {
  const { refused } = line.sent;
  if (!refused) return html`<div class="fate" aria-label="Sending">Sending…</div>`;
  return html`<div class="fate bad" data-testid="refused">
    <span role="alert">${reason(refused)}</span>
    <button class="link" data-testid="again" @click=${() => act.again(line)}>Try again</button>
    <button class="link" @click=${() => act.discard(line)}>Discard</button>
  </div>`;
}

/** How high a row will be about, in px, in a list so many px wide. */
export function estimate(line: Line, width: number): number {
  const name = line.from ? line.from.name.length + 6 : 0;
  const perLine = Math.max(12, (width - 32) / 7.2);
  const lines = Math.max(1, Math.ceil((line.text.length + name) / perLine));
  const extra = (line.replyTo ? 22 : 0) + (line.kind === "announcement" ? 38 : 0);
  return 8 + lines * 21 + extra;
}
