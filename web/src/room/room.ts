import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { guestKey } from "../wire/access.ts";
import { Announcer } from "./announcer.ts";
import { headBar, type Panel, pinnedBar, standingBar } from "./bars.ts";
import type { Line } from "./chat.ts";
import { RoomClient } from "./client.ts";
import "./composer.ts";
import type { RoomComposer } from "./composer.ts";
import { guestName, loadTimed, saveTimed } from "./guest.ts";
import { icon } from "./icons.ts";
import { listKey } from "./keys.ts";
import { estimate, type LineActions, row } from "./line.ts";
import "./list.ts";
import type { RoomList } from "./list.ts";
import { type MenuItem, messageMenu, personMenu } from "./menu.ts";
import { type Pending, type Picture, RoomModel } from "./model.ts";
import { peoplePanel, settingsPanel } from "./panels.ts";
import { banDialog, menuView, type OpenMenu, placeOf } from "./popups.ts";
import type { Person } from "./protocol.ts";
import "./reactions.ts";
import { popupStyles, roomStyles } from "./styles.ts";
import { shorten } from "./text.ts";

/**
 * The room of a stream: chat, people and a moderator's tools.
 * `<freshet-room src="/rooms/demo" token="…"></freshet-room>`.
 *
 * Without a token it comes as the same guest every time. `as` is the role on a
 * server without keys. `player` is the player beside it, whose picture messages
 * wait for. Fires `freshet-reactions` ({reactions}) when some are to be seen,
 * and `freshet-room-over` ({reason, banned}) when one was sent away.
 */
export class FreshetRoom extends LitElement {
  static override styles = [roomStyles, popupStyles];
  static override properties = {
    src: { type: String },
    token: { type: String },
    as: { type: String },
    player: { attribute: false },
    panel: { state: true },
    menu: { state: true },
    banning: { state: true },
    replyTo: { state: true },
    confirming: { state: true },
    unread: { state: true },
    told: { state: true },
  };
  declare src: string;
  declare token: string;
  declare as: string;
  declare player: Picture | undefined;
  declare panel: Panel | undefined;
  declare menu: (OpenMenu & { line?: Line; person?: Person | undefined }) | undefined;
  declare banning: Person | undefined;
  declare replyTo: Line | undefined;
  declare confirming: boolean;
  /** Lines that came while the end of the list was not seen. */
  declare unread: number;
  declare told: string;

  model: RoomModel | undefined;
  /** The time of what is said where there is no player; ms since 1970. */
  clock: () => number | undefined = () => undefined;
  readonly #announcer = new Announcer();
  #tick: ReturnType<typeof setInterval> | undefined;
  #toldSince = 0;
  /** Whether the composer counts seconds down. */
  #counting = false;

  constructor() {
    super();
    this.src = "";
    this.token = "";
    this.as = "";
    this.player = undefined;
    this.confirming = false;
    this.unread = 0;
    this.told = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#tick = setInterval(() => this.#second(), 1000);
    this.addEventListener("keydown", this.#escape);
    if (this.hasUpdated) this.#enter();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#tick);
    this.removeEventListener("keydown", this.#escape);
    this.#leave();
  }

  /** Comes in, anew where one was in already. */
  #enter(): void {
    this.#leave();
    if (!this.src) return;
    const client = new RoomClient({
      url: new URL(this.src, document.baseURI).href,
      token: this.token || guestKey(),
      guest: !this.token,
      name: guestName(),
      role: this.as,
    });
    const model = new RoomModel(client);
    this.model = model;
    model.picture = this.player;
    model.clock = () => this.clock();
    model.timeline.on = loadTimed();
    model.on("change", () => {
      this.requestUpdate();
      this.#composer?.requestUpdate();
    });
    model.on("said", (lines) => this.#said(lines));
    model.on("told", (text) => this.#tell(text));
    model.on("reactions", (reactions) => this.#fire("freshet-reactions", { reactions }));
    model.on("over", (detail) => this.#fire("freshet-room-over", detail));
    model.start();
  }

  #leave(): void {
    this.model?.stop();
    this.model = undefined;
  }

  #fire(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  get #list(): RoomList<Line> | null {
    return this.renderRoot.querySelector("freshet-room-list") as RoomList<Line> | null;
  }

  get #composer(): RoomComposer | null {
    return this.renderRoot.querySelector("freshet-room-composer");
  }

  #said(lines: readonly Line[]): void {
    const others = lines.filter((line) => !line.own);
    if (this.#list && !this.#list.atEnd) this.unread += others.length;
    for (const line of others) {
      const name = line.from ? `${line.from.name}: ` : "";
      this.#announcer.add(`${name}${shorten(line.text, 200)}`);
    }
    this.#announce();
  }

  /** Tells screen readers; by hand, as the region must not change for other reasons. */
  #announce(): void {
    const text = this.#announcer.take(performance.now());
    const region = this.renderRoot.querySelector(".announcer");
    if (text && region) region.textContent = text;
  }

  #second(): void {
    this.#announce();
    if (this.told && Date.now() - this.#toldSince > 6000) this.told = "";
    const { model } = this;
    const counting = model !== undefined && (model.wait > 0 || model.chat.muted !== undefined);
    // Once more when the time is up.
    if (counting || this.#counting) this.#composer?.requestUpdate();
    this.#counting = counting;
  }

  #tell(text: string): void {
    this.told = text;
    this.#toldSince = Date.now();
  }

  protected override updated(changed: PropertyValues): void {
    if (["src", "token", "as"].some((name) => changed.has(name))) this.#enter();
    if (changed.has("player") && this.model) this.model.picture = this.player;
    if (changed.has("menu") && this.menu)
      this.renderRoot.querySelector<HTMLElement>('[role="menu"] button')?.focus();
    if (changed.has("panel") && this.panel) this.renderRoot.querySelector<HTMLElement>(".panel h3")?.focus();
    // What was pressed is gone: the focus goes to what stands in its place.
    if (changed.has("confirming") && this.panel) {
      this.renderRoot
        .querySelector<HTMLElement>(this.confirming ? ".sure button" : ".panel .danger")
        ?.focus();
    }
    const dialog = this.renderRoot.querySelector("dialog");
    if (changed.has("banning") && this.banning && !dialog?.open) dialog?.showModal();
    this.dataset.standing = this.model?.client.standing ?? "idle";
  }

  readonly #lineActions: LineActions = {
    menu: (line, button) => this.#openMenu(button, messageMenu(line, this.#chat), line.from, line),
    reply: (line) => {
      this.replyTo = line;
    },
    reveal: (key) => void this.#reveal(key),
    again: (line: Pending) => this.model?.again(line.sent),
    discard: (line: Pending) => this.model?.discard(line.sent),
  };

  get #chat() {
    return (this.model as RoomModel).chat;
  }

  async #reveal(key: string): Promise<void> {
    const element = await this.#list?.reveal(key);
    if (!element) return;
    element.focus({ preventScroll: true });
    element.animate([{ background: "var(--shine)" }, {}], { duration: 1600, easing: "ease-out" });
  }

  #openMenu(from: HTMLElement, items: readonly MenuItem[], person: Person | undefined, line?: Line): void {
    if (this.menu || items.length === 0) {
      this.menu = undefined;
      return;
    }
    const [room, button] = [this.getBoundingClientRect(), from.getBoundingClientRect()];
    const title = person ? `What to do with ${person.name}` : "What to do";
    this.menu = {
      title,
      items,
      ...placeOf(button, room, items.length),
      from,
      person,
      ...(line ? { line } : {}),
    };
  }

  #closeMenu(): void {
    this.menu?.from.focus();
    this.menu = undefined;
  }

  #choose({ does }: MenuItem): void {
    const { line, person } = this.menu ?? {};
    this.#closeMenu();
    if (does === "reply") this.replyTo = line;
    else if (does === "copy") void navigator.clipboard?.writeText(line?.text ?? "").catch(() => {});
    else if (does === "ban") this.banning = person;
    else if (typeof does === "object") this.model?.command(does);
  }

  /** A press beside the open menu closes it. */
  #press(event: PointerEvent): void {
    const inside = (e: EventTarget) =>
      e instanceof Element && e.matches('[role="menu"], [aria-haspopup="menu"]');
    if (this.menu && !event.composedPath().some(inside)) this.menu = undefined;
  }

  readonly #escape = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !this.panel) return;
    this.#toggle(this.panel);
  };

  #toggle(panel: Panel): void {
    const closing = this.panel === panel;
    this.panel = closing ? undefined : panel;
    this.confirming = false;
    if (closing) this.renderRoot.querySelector<HTMLElement>(`[data-testid="${panel}-button"]`)?.focus();
  }

  #listKey(event: KeyboardEvent): void {
    const list = this.#list;
    if (list && this.model) listKey(event, list, this.model.items);
  }

  #ended(end: boolean): void {
    if (end) this.unread = 0;
    this.requestUpdate();
  }

  protected override render(): TemplateResult {
    const { model } = this;
    return html`<div class="room" @pointerdown=${this.#press}>
      ${headBar(model, this.panel, this.as === "host", (panel) => this.#toggle(panel))}
      ${model ? pinnedBar(model) : nothing}
      <div class="middle">
        ${this.#messages()}
        ${model && this.panel ? this.#panel(model) : nothing}
      </div>
      ${model ? standingBar(model) : nothing}
      <p class="told" role="status" data-testid="told" ?hidden=${!this.told}>${this.told}</p>
      <freshet-room-composer .model=${model} .replyTo=${this.replyTo} ?hidden=${model?.client.standing === "over"}
        @freshet-said=${() => this.#list?.toEnd()} @freshet-reply-over=${() => (this.replyTo = undefined)}></freshet-room-composer>
      ${
        this.menu
          ? menuView(
              this.menu,
              (item) => this.#choose(item),
              () => this.#closeMenu(),
            )
          : nothing
      }
      ${banDialog(this.banning, (command) => model?.command(command))}
      <div class="announcer hidden-text" role="status" aria-live="polite"></div>
    </div>`;
  }

  #messages(): TemplateResult {
    const { model } = this;
    const items = model?.items ?? [];
    const source = {
      estimate,
      row: (line: Line) => row(line, this.#chat, this.#lineActions),
    };
    return html`<freshet-room-list class="list" role="log" aria-live="off" aria-label="Chat" tabindex="0" data-testid="list"
        .items=${items} .source=${source} ?inert=${this.panel !== undefined} @keydown=${this.#listKey}
        @freshet-end=${(e: CustomEvent<{ end: boolean }>) => this.#ended(e.detail.end)}></freshet-room-list>
      ${model?.greeted && items.length === 0 ? html`<p class="empty">Nobody has said anything yet.</p>` : nothing}
      ${this.#list && !this.#list.atEnd && !this.panel ? html`<button class="newest" data-testid="newest" @click=${() => this.#list?.toEnd()}>${icon("down")} ${this.unread > 0 ? `${this.unread} new message${this.unread === 1 ? "" : "s"}` : "To the newest"}</button>` : nothing}`;
  }

  #panel(model: RoomModel): TemplateResult {
    const act = {
      close: () => this.panel && this.#toggle(this.panel),
      menu: (person: Person, from: HTMLElement) =>
        this.#openMenu(from, personMenu(person, model.chat), person),
      setTimed: (on: boolean) => {
        saveTimed(on);
        model.setTimed(on);
      },
    };
    if (this.panel === "people") return peoplePanel(model, act);
    return settingsPanel(model, this.confirming, (on) => (this.confirming = on), act);
  }
}

customElements.define("freshet-room", FreshetRoom);

declare global {
  interface HTMLElementTagNameMap {
    "freshet-room": FreshetRoom;
  }
}
