import { html, nothing } from "lit";
import "../player.ts";
import type { FreshetPlayer } from "../player.ts";
import { modeOf, saveToken, streamOf, takeToken } from "../wire/access.ts";
import { badName, copyRow, header, Page, tokenForm } from "./shell.ts";

/** /watch/{stream}: the player and what one does with a stream. */
class WatchPage extends Page {
  static override properties = { token: { state: true }, refused: { state: true } };
  declare token: string;
  declare refused: string;
  readonly stream = streamOf(location.pathname);

  constructor() {
    super();
    this.token = (this.stream && takeToken("watch", this.stream)) ?? "";
    this.refused = "";
    if (this.stream) document.title = `${this.stream} · Freshet`;
  }

  #failed(event: CustomEvent<{ reason: string; status: number }>): void {
    this.refused = [401, 403].includes(event.detail.status) ? event.detail.reason : "";
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
      <main class="wide">
        <freshet-player src="/whep/${stream}" token=${this.token} mode=${modeOf(location.search) ?? "auto"} muted data-testid="player" @freshet-error=${this.#failed}></freshet-player>
        <div class="headline"><h1>${stream}</h1></div>
        ${this.refused ? tokenForm(this.refused, (token) => this.#use(token)) : nothing}
        <details class="card">
          <summary>Share and embed</summary>
          ${copyRow("Watch link", `${location.origin}/watch/${stream}`, "watch-link")}
          ${copyRow("WHEP address", `${location.origin}/whep/${stream}`, "whep-url")}
          ${copyRow("LL-HLS address", `${location.origin}/hls/${stream}/index.m3u8`, "hls-url")}
          ${copyRow("Embed code", embed, "embed-code")}
        </details>
      </main>`;
  }
}

customElements.define("watch-page", WatchPage);
