import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import "../player.ts";
import type { FreshetPlayer } from "../player.ts";
import { guestKey, modeOf, saveToken, streamOf, takeToken } from "../wire/access.ts";
import { badName, copyRow, header, Page, tokenForm } from "./shell.ts";
import { followKeyboard } from "./viewport.ts";

/** The chat waits at most so long for the picture, in ms. */
const CHAT_WAIT = 700;

/** /watch/{stream}: the player, the room beside it, and what one does with a stream. */
class WatchPage extends Page {
  static override properties = {
    token: { state: true },
    refused: { state: true },
    banned: { state: true },
  };
  declare token: string;
  declare refused: string;
  declare banned: string;
  readonly stream = streamOf(location.pathname);
  #unfollow: (() => void) | undefined;

  constructor() {
    super();
    this.token = (this.stream && takeToken("watch", this.stream)) ?? "";
    this.refused = "";
    this.banned = "";
    if (this.stream) document.title = `${this.stream} · Freshet`;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unfollow = followKeyboard();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unfollow?.();
  }

  protected override firstUpdated(): void {
    // The picture comes first: the chat is loaded when it is there, or when it takes its time.
    const load = () => {
      clearTimeout(timer);
      this.removeEventListener("freshet-state", settled as EventListener);
      void import("../room/room.ts");
    };
    const settled = (event: CustomEvent<{ state: string }>) => {
      if (!["idle", "connecting"].includes(event.detail.state)) load();
    };
    const timer = setTimeout(load, CHAT_WAIT);
    this.addEventListener("freshet-state", settled as EventListener);
  }

  protected override updated(_: PropertyValues): void {
    const room = this.querySelector("freshet-room");
    const player = this.querySelector<FreshetPlayer>("freshet-player");
    if (room) room.player = player ?? undefined;
  }

  #failed(event: CustomEvent<{ reason: string; status: number }>): void {
    const { reason, status } = event.detail;
    // Whoever has brought no token is not to read what is wrong with a guest's key.
    if (status === 401 && !this.token) this.refused = "This stream needs an access token.";
    else this.refused = [401, 403].includes(status) ? reason : "";
  }

  #over(event: CustomEvent<{ reason: string; banned: boolean }>): void {
    if (event.detail.banned) this.banned = event.detail.reason;
  }

  #react(event: CustomEvent<{ reactions: readonly { emoji: string; count: number }[] }>): void {
    this.querySelector("freshet-reactions")?.show(event.detail.reactions);
  }

  #use(token: string): void {
    if (!this.stream) return;
    saveToken("watch", this.stream, token);
    this.refused = "";
    if (token !== this.token) this.token = token;
    else this.querySelector<FreshetPlayer>("freshet-player")?.retry();
  }

  protected override render() {
    const { stream } = this;
    if (!stream) return badName();
    const embed = `<iframe src="${location.origin}/embed/${stream}" allow="autoplay; fullscreen; picture-in-picture" width="640" height="360" style="border:0"></iframe>`;
    return html`${header()}
      <main class="watch">
        ${this.banned ? this.#gone() : this.#player(stream)}
        <freshet-room src="/rooms/${stream}" token=${this.token} data-testid="room"
          @freshet-room-over=${this.#over} @freshet-reactions=${this.#react}></freshet-room>
        <div class="about">
          <div class="headline"><h1>${stream}</h1></div>
          ${this.refused ? tokenForm(this.refused, (token) => this.#use(token)) : nothing}
          <details class="card">
            <summary>Share and embed</summary>
            ${copyRow("Watch link", `${location.origin}/watch/${stream}`, "watch-link")}
            ${copyRow("WHEP address", `${location.origin}/whep/${stream}`, "whep-url")}
            ${copyRow("LL-HLS address", `${location.origin}/hls/${stream}/index.m3u8`, "hls-url")}
            ${copyRow("Embed code", embed, "embed-code")}
          </details>
        </div>
      </main>`;
  }

  #player(stream: string): TemplateResult {
    return html`<freshet-player src="/whep/${stream}" token=${this.token || guestKey()} mode=${modeOf(location.search) ?? "auto"} muted data-testid="player" @freshet-error=${this.#failed}>
      <freshet-reactions slot="overlay"></freshet-reactions>
    </freshet-player>`;
  }

  #gone(): TemplateResult {
    return html`<div class="gone" role="alert" data-testid="gone"><h2>This stream is closed to you</h2><p>${this.banned}</p></div>`;
  }
}

customElements.define("watch-page", WatchPage);
