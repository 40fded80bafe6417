import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { PlayerFigures } from "./player/figures.ts";
import { type IconName, icon } from "./player/icons.ts";
import { figuresList, message, qualityMenu } from "./player/parts.ts";
import type { PlayerState } from "./player/state.ts";
import { styles } from "./player/styles.ts";
import { Watcher } from "./player/watcher.ts";
import { layerLabel } from "./wire/layers.ts";

/** The pointer rests this long before the controls go, in ms. */
const IDLE = 2800;

/**
 * Plays a stream by WHEP:
 * `<freshet-player src="/whep/demo" token="…" muted></freshet-player>`.
 *
 * `data-state` tells where it stands (see PlayerState). It fires
 * `freshet-state` ({state, previous}), `freshet-first-frame` ({milliseconds}),
 * `freshet-layers`, `freshet-viewers` and `freshet-error` ({reason, status};
 * the status is that of HTTP, 0 where there was none).
 */
export class FreshetPlayer extends LitElement {
  static override styles = styles;
  static override properties = {
    src: { type: String },
    token: { type: String },
    muted: { type: Boolean },
    menuOpen: { state: true },
    statsOpen: { state: true },
  };

  declare src: string;
  declare token: string;
  declare muted: boolean;
  declare menuOpen: boolean;
  declare statsOpen: boolean;

  #watcher: Watcher | undefined;
  #firstFrame: number | undefined;
  #askForSound = false;
  #idle: ReturnType<typeof setTimeout> | undefined;
  readonly #back = (event: PageTransitionEvent) => {
    // Back from the page cache: the session was ended when the page left.
    if (event.persisted) this.retry();
  };

  constructor() {
    super();
    this.src = "";
    this.token = "";
    this.muted = false;
    this.menuOpen = false;
    this.statsOpen = false;
  }

  /** Where the player stands. */
  get state(): PlayerState {
    return this.#watcher?.state ?? "idle";
  }

  /** The figures of the last second; undefined before there is a connection. */
  async stats(): Promise<
    (PlayerFigures & { state: PlayerState; firstFrame: number | undefined }) | undefined
  > {
    const figures = await this.#watcher?.sample();
    return figures && { ...figures, state: this.state, firstFrame: this.#firstFrame };
  }

  /** Starts over, for instance after an error. */
  retry(): void {
    void this.#watcher?.stop();
    this.#watcher = undefined;
    this.#firstFrame = undefined;
    if (!this.src || !this.isConnected) return;
    const watcher = new Watcher(new URL(this.src, document.baseURI).href, this.token || undefined);
    this.#watcher = watcher;
    watcher.on("change", () => this.requestUpdate());
    watcher.on("state", (detail) => this.#stateChanged(detail));
    watcher.on("first", (milliseconds) => {
      this.#firstFrame = milliseconds;
      this.#fire("freshet-first-frame", { milliseconds });
    });
    watcher.client.on("layers", (layers) => this.#fire("freshet-layers", { layers }));
    watcher.client.on("viewers", (viewers) => this.#fire("freshet-viewers", { viewers }));
    watcher.start();
    // A video element without a picture holds up the page's load event, and a
    // viewer may wait for the broadcaster for hours: it starts after that.
    if (document.readyState === "complete") this.#attach(watcher);
    else window.addEventListener("load", () => this.#attach(watcher), { once: true });
    this.requestUpdate();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    window.addEventListener("pageshow", this.#back);
    document.addEventListener("fullscreenchange", this.#redraw);
    if (this.hasUpdated) this.retry();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener("pageshow", this.#back);
    document.removeEventListener("fullscreenchange", this.#redraw);
    clearTimeout(this.#idle);
    void this.#watcher?.stop();
    this.#watcher = undefined;
  }

  readonly #redraw = () => this.requestUpdate();

  protected override updated(changed: PropertyValues): void {
    if (changed.has("src") || changed.has("token")) this.retry();
    this.dataset.state = this.state;
    if (changed.has("menuOpen") && this.menuOpen) {
      this.renderRoot.querySelector<HTMLElement>('[role="menu"] [aria-checked="true"]')?.focus();
    }
  }

  get #video(): HTMLVideoElement | null {
    return this.renderRoot.querySelector("video");
  }

  #fire(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #stateChanged(detail: { state: PlayerState; previous: PlayerState }): void {
    this.dataset.state = detail.state;
    this.#fire("freshet-state", detail);
    if (detail.state === "error") {
      this.#fire("freshet-error", {
        reason: this.#watcher?.reason ?? "",
        status: this.#watcher?.facts.refused ?? 0,
      });
    }
    if (detail.state === "live") this.#wake();
    else this.removeAttribute("data-idle");
  }

  /** Shows the watcher's media and starts it, without sound where the browser insists. */
  #attach(watcher: Watcher): void {
    const video = this.#video;
    if (!video || watcher !== this.#watcher) return;
    if (!video.srcObject) {
      // Only at first: a retry keeps what the viewer has chosen since.
      video.muted = this.muted;
      this.#askForSound = this.muted;
    }
    video.srcObject = watcher.client.media;
    video.play().catch((error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      video.muted = true;
      this.#askForSound = true;
      video.play().catch(() => {});
    });
    const painted = () => {
      if (this.#watcher !== watcher) return;
      watcher.painted();
      video.requestVideoFrameCallback?.(painted);
    };
    // Only the first picture needs the callback: statistics tell the rest.
    if (video.requestVideoFrameCallback) {
      video.requestVideoFrameCallback(() => this.#watcher === watcher && watcher.painted());
    } else video.addEventListener("playing", painted, { once: true });
  }

  #wake(): void {
    this.removeAttribute("data-idle");
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const busy = this.menuOpen || this.#video?.paused || this.renderRoot.querySelector(":focus-visible");
      if (this.state === "live" && !busy) this.setAttribute("data-idle", "");
    }, IDLE);
  }

  #setMuted(muted: boolean): void {
    const video = this.#video;
    if (!video) return;
    video.muted = muted;
    if (!muted) {
      this.#askForSound = false;
      if (video.volume === 0) video.volume = 1;
      video.play().catch(() => {});
    }
    this.requestUpdate();
  }

  #togglePlay(): void {
    const video = this.#video;
    if (video?.paused) video.play().catch(() => {});
    else video?.pause();
  }

  #toggleFull(): void {
    const video = this.#video as (HTMLVideoElement & { webkitEnterFullscreen?: () => void }) | null;
    if (document.fullscreenElement) void document.exitFullscreen();
    else if (this.requestFullscreen) this.requestFullscreen().catch(() => {});
    else video?.webkitEnterFullscreen?.();
  }

  #togglePip(): void {
    if (document.pictureInPictureElement) document.exitPictureInPicture().catch(() => {});
    else this.#video?.requestPictureInPicture().catch(() => {});
  }

  #choose(id: string | undefined): void {
    this.#closeMenu();
    this.#watcher?.client
      .choose(id)
      .catch((error: unknown) => this.#fire("freshet-error", { reason: String(error), status: 0 }))
      .finally(() => this.requestUpdate());
  }

  #closeMenu(): void {
    this.menuOpen = false;
    this.renderRoot.querySelector<HTMLElement>('[aria-haspopup="menu"]')?.focus();
  }

  /** A press beside the open menu closes it. */
  #press(event: PointerEvent): void {
    if (!this.menuOpen) return;
    const inside = (e: EventTarget) =>
      e instanceof Element && e.matches('[role="menu"], [aria-haspopup="menu"]');
    if (!event.composedPath().some(inside)) this.menuOpen = false;
  }

  #key(event: KeyboardEvent): void {
    this.#wake();
    const typing = (event.composedPath()[0] as HTMLElement).localName === "input";
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (event.key === "m") this.#setMuted(!this.#video?.muted);
    else if (event.key === "f") this.#toggleFull();
    else if (event.key === "k") this.#togglePlay();
    else if (event.key === "s") this.statsOpen = !this.statsOpen;
  }

  protected override render(): TemplateResult {
    const watcher = this.#watcher;
    const live = this.state === "live";
    return html`
      <div class="frame" @pointermove=${this.#wake} @pointerdown=${this.#press} @keydown=${this.#key}>
        <video playsinline aria-label="Live video" data-testid="video"
          @volumechange=${this.#redraw} @pause=${this.#redraw} @play=${this.#redraw} @click=${this.#wake}></video>
        <div class="top">
          ${live ? html`<span class="badge live" data-testid="live">LIVE</span>` : nothing}
          ${watcher?.viewers === undefined ? nothing : html`<span class="badge" data-testid="viewers">${watcher.viewers} watching</span>`}
        </div>
        ${watcher ? message(watcher, () => this.retry()) : nothing}
        ${this.statsOpen && watcher?.figures ? figuresList(watcher.figures, this.#firstFrame) : nothing}
        ${live && this.#askForSound && this.#video?.muted ? html`<button class="pill tap" data-testid="tap-for-sound" @click=${() => this.#setMuted(false)}>${icon("muted")} Tap for sound</button>` : nothing}
        ${this.#bar()}
        ${this.menuOpen && watcher ? qualityMenu({ layers: watcher.layers, chosen: watcher.client.chosen, choose: (id) => this.#choose(id), close: () => this.#closeMenu() }) : nothing}
      </div>`;
  }

  #bar(): TemplateResult {
    const video = this.#video;
    const watcher = this.#watcher;
    const key = (
      name: IconName,
      label: string,
      run: () => void,
      pressed?: boolean,
    ) => html`<button class="key"
      aria-label=${label} title=${label} aria-pressed=${pressed ?? nothing} data-testid=${name} @click=${run}>${icon(name)}</button>`;
    const muted = video?.muted ?? this.muted;
    const chosen = watcher?.layers.find((l) => l.id === watcher.client.chosen);
    const quality = chosen ? layerLabel(chosen) : "Auto";
    const full = document.fullscreenElement === this;
    return html`<div class="bar" role="group" aria-label="Player controls">
      ${key(video?.paused ? "play" : "pause", video?.paused ? "Play (k)" : "Pause (k)", () => this.#togglePlay())}
      ${key(muted ? "muted" : "sound", muted ? "Sound on (m)" : "Mute (m)", () => this.#setMuted(!muted))}
      <input type="range" min="0" max="1" step="0.05" aria-label="Volume" .value=${String(muted ? 0 : (video?.volume ?? 1))} @input=${this.#volume} />
      <span class="space"></span>
      ${watcher?.layers.length ? html`<button class="key quality" aria-haspopup="menu" aria-expanded=${this.menuOpen} data-testid="quality" title="Quality" aria-label="Quality: ${quality}" @click=${() => (this.menuOpen = !this.menuOpen)}>${icon("quality")} <span>${quality}</span></button>` : nothing}
      ${key("stats", "Statistics (s)", () => (this.statsOpen = !this.statsOpen), this.statsOpen)}
      ${document.pictureInPictureEnabled ? key("pip", "Picture in picture", () => this.#togglePip()) : nothing}
      ${key(full ? "shrink" : "full", full ? "Leave full screen (f)" : "Full screen (f)", () => this.#toggleFull())}
    </div>`;
  }

  #volume(event: Event): void {
    const volume = Number((event.target as HTMLInputElement).value);
    if (this.#video) this.#video.volume = volume;
    this.#setMuted(volume === 0);
  }
}

customElements.define("freshet-player", FreshetPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "freshet-player": FreshetPlayer;
  }
}
