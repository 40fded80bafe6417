import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Line } from "./chat.ts";
import { drawsEmoji, REACTIONS } from "./emoji.ts";
import { guestName, saveGuestName } from "./guest.ts";
import { icon } from "./icons.ts";
import type { RoomModel } from "./model.ts";
import { countdown, length, shorten } from "./text.ts";

/** Where one writes and reacts. It renders into its owner's tree, for its styles. */
export class RoomComposer extends LitElement {
  static override properties = {
    model: { attribute: false },
    replyTo: { attribute: false },
    announcing: { state: true },
    naming: { state: true },
    size: { state: true },
  };
  declare model: RoomModel | undefined;
  declare replyTo: Line | undefined;
  declare announcing: boolean;
  /** Whether the field for the name is open. */
  declare naming: boolean;
  /** The length of the draft, in code points. */
  declare size: number;

  constructor() {
    super();
    this.model = undefined;
    this.replyTo = undefined;
    this.announcing = false;
    this.naming = false;
    this.size = 0;
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override focus(): void {
    this.#field?.focus();
  }

  get #field(): HTMLTextAreaElement | null {
    return this.querySelector("textarea");
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has("replyTo") && this.replyTo) this.focus();
    if (changed.has("naming") && this.naming) this.querySelector<HTMLInputElement>(".naming input")?.focus();
  }

  #cancelReply(): void {
    this.dispatchEvent(new CustomEvent("freshet-reply-over"));
  }

  #send(): void {
    const { model } = this;
    const field = this.#field;
    const text = field?.value.trim();
    if (!model || !field || !text || this.#blocked || length(text) > model.chat.limits.text) return;
    model.say(text, this.replyTo?.key, this.announcing ? "announce" : "message");
    field.value = "";
    this.announcing = false;
    this.#grow();
    this.#cancelReply();
    this.dispatchEvent(new CustomEvent("freshet-said"));
    field.focus();
  }

  get #blocked(): boolean {
    return (this.model?.wait ?? 0) > 0;
  }

  /** As many lines as the text has, up to what the styles allow. */
  #grow(): void {
    const field = this.#field;
    if (!field) return;
    this.size = length(field.value);
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
  }

  #key(event: KeyboardEvent): void {
    // The Enter that ends a composition of an input method belongs to it.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.#send();
    }
    if (event.key === "Escape" && this.replyTo) {
      event.stopPropagation();
      this.#cancelReply();
    }
  }

  /** Why nobody may write here at present; "" where one may. */
  get #closed(): string {
    const chat = this.model?.chat;
    const now = Date.now();
    if (!chat || !this.model?.greeted) return "";
    if (chat.isMuted(now)) {
      const left = chat.muted ? Math.ceil((chat.muted - now - chat.skew) / 1000) : 0;
      return left > 0 ? `You cannot write for ${countdown(left)}.` : "You cannot write in this room.";
    }
    if (chat.settings.locked && ["viewer", "speaker"].includes(chat.you.role)) {
      return "The room is locked. Only hosts and moderators write.";
    }
    return chat.allows("message") ? "" : "You can read along here.";
  }

  protected override render(): TemplateResult {
    const closed = this.#closed;
    return html`${this.#reactions()}
      ${closed ? html`<p class="closed" role="status" data-testid="closed">${closed}</p>` : this.#form()}`;
  }

  #reactions(): TemplateResult | typeof nothing {
    const { model } = this;
    if (!model?.chat.allows("react")) return nothing;
    return html`<div class="reactions" role="group" aria-label="React">
      ${REACTIONS.map(
        ({
          emoji,
          name,
          word,
        }) => html`<button class="reaction" aria-label=${name} title=${name} data-testid="react"
          @click=${() => model.react(emoji)}>${drawsEmoji() ? emoji : html`<small>${word}</small>`}</button>`,
      )}
    </div>`;
  }

  #form(): TemplateResult {
    const { model, replyTo } = this;
    const chat = model?.chat;
    const most = chat?.limits.text ?? 500;
    const wait = model?.wait ?? 0;
    const left = most - this.size;
    return html`
      ${
        replyTo
          ? html`<div class="replying" data-testid="replying">${icon("reply")}<span>Answering <bdi>${replyTo.from?.name}</bdi>: <bdi>${shorten(replyTo.text, 60)}</bdi></span>
        <button class="tool" aria-label="Do not answer" title="Do not answer" @click=${() => this.#cancelReply()}>${icon("close")}</button></div>`
          : nothing
      }
      ${this.naming ? this.#name() : nothing}
      <form class="write" @submit=${(e: Event) => {
        e.preventDefault();
        this.#send();
      }}>
        <textarea rows="1" dir="auto" enterkeyhint="send" autocomplete="off" data-testid="write"
          placeholder=${this.announcing ? "Announce to everybody" : "Say something"} aria-label=${this.announcing ? "Announcement" : "Message"}
          aria-invalid=${left < 0} @input=${() => this.#grow()} @keydown=${this.#key}></textarea>
        <button class="button primary send" aria-label="Send" title="Send" data-testid="send" ?disabled=${wait > 0 || left < 0 || this.size === 0}>
          ${wait > 0 ? html`<span class="numbers" data-testid="wait">${countdown(wait)}</span>` : icon("send")}</button>
      </form>
      <div class="beneath">
        ${this.#who()}
        <span class="grow"></span>
        ${left <= most / 5 ? html`<span class="numbers ${left < 0 ? "bad" : ""}" role="status" data-testid="left">${left < 0 ? `${-left} too many` : `${left} left`}</span>` : nothing}
        ${chat?.allows("announce") ? html`<label class="check"><input type="checkbox" data-testid="announce" .checked=${this.announcing} @change=${(e: Event) => (this.announcing = (e.target as HTMLInputElement).checked)} /> Announce</label>` : nothing}
      </div>`;
  }

  #who(): TemplateResult | typeof nothing {
    const chat = this.model?.chat;
    if (!chat?.you.identity || this.naming) return nothing;
    const change = chat.allows("name");
    const chosen = guestName() !== "" || !change;
    return html`<span class="who">As <bdi>${chat.you.name}</bdi>
      ${change ? html`<button class="link" data-testid="rename" @click=${() => (this.naming = true)}>${chosen ? "change" : "choose a name"}</button>` : nothing}</span>`;
  }

  #name(): TemplateResult {
    const chat = this.model?.chat;
    const use = (event: Event) => {
      event.preventDefault();
      const input = this.querySelector<HTMLInputElement>(".naming input");
      const name = input?.value.trim() ?? "";
      if (name) {
        saveGuestName(name);
        this.model?.command({ type: "name", name });
      }
      this.naming = false;
      void this.updateComplete.then(() => this.focus());
    };
    return html`<form class="naming" @submit=${use}>
      <input aria-label="Your name" placeholder="Your name" dir="auto" autocomplete="nickname" maxlength=${chat?.limits.name ?? 40} data-testid="name"
        .value=${guestName()} @keydown=${(e: KeyboardEvent) => {
          if (e.key !== "Escape") return;
          e.stopPropagation();
          this.naming = false;
        }} />
      <button class="button" data-testid="use-name">Use name</button>
    </form>`;
  }
}

customElements.define("freshet-room-composer", RoomComposer);

declare global {
  interface HTMLElementTagNameMap {
    "freshet-room-composer": RoomComposer;
  }
}
