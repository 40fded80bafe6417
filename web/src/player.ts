import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { type ControlActions, controlBar } from "./player/controls.ts";
import { Director } from "./player/director.ts";
import type { PlayerFigures } from "./player/figures.ts";
import { icon } from "./player/icons.ts";
import { playerKey } from "./player/keys.ts";
import { figuresList, message, qualityMenu } from "./player/parts.ts";
import type { Mode, Path } from "./player/path.ts";
import { toggleFull, togglePip } from "./player/screen.ts";
import type { PlayerState } from "./player/state.ts";
import { controlStyles, styles } from "./player/styles.ts";

/** The pointer rests this long before the controls go, in ms. */
const IDLE = 2800;

/**
 * Plays a stream by WHEP, and by LL-HLS where that does not get through or the
 * viewer goes back in time:
 * `<freshet-player src="/whep/demo" token="…" muted></freshet-player>`.
 *
 * `hls-src` is the LL-HLS address where it is another than Freshet's own;
 * `mode` is `auto`, `whep` or `hls`. `data-state` tells where it stands (see
 * PlayerState), `data-path` by which path. It fires `freshet-state` ({state,
 * previous}), `freshet-path` ({path, seam}), `freshet-first-frame`
 * ({milliseconds}), `freshet-layers`, `freshet-viewers` and `freshet-error`
 * ({reason, status}; the status is that of HTTP, 0 where there was none).
 * What has `slot="overlay"` lies above the picture and below the controls.
 */
export class FreshetPlayer extends LitElement {
  static override styles = [styles, controlStyles];
  static override properties = {
    src: { type: String },
    hlsSrc: { type: String, attribute: "hls-src" },
    mode: { type: String },
    token: { type: String },
    muted: { type: Boolean },
    menuOpen: { state: true },
    statsOpen: { state: true },
    scrubbing: { state: true },
  };

  declare src: string;
  declare hlsSrc: string;
  declare mode: Mode;
  declare token: string;
  declare muted: boolean;
  declare menuOpen: boolean;
  declare statsOpen: boolean;
  declare scrubbing: number | undefined;

  #director: Director | undefined;
  #firstFrame: number | undefined;
  #askForSound = false;
  #played = false;
  #idle: ReturnType<typeof setTimeout> | undefined;
  readonly #back = (event: PageTransitionEvent) => {
    // Back from the page cache: the session was ended when the page left.
    if (event.persisted) this.retry();
  };

  constructor() {
    super();
    this.src = "";
    this.hlsSrc = "";
    this.mode = "auto";
    this.token = "";
    this.muted = false;
    this.menuOpen = false;
    this.statsOpen = false;
  }

  /** Where the player stands. */
  get state(): PlayerState {
    return this.#director?.engine.state ?? "idle";
  }

  /** By which path the picture comes. */
  get path(): Path {
    return this.#director?.stage.shown ?? "whep";
  }

  /** When the frame on the screen was captured, in ms since 1970 by the publisher's clock; undefined while unknown. */
  get captured(): number | undefined {
    return this.#director?.stage.captured;
  }

  /** Whether the viewer stays at live; false where one has gone back in time. */
  get atLive(): boolean {
    return this.#director?.atLive ?? true;
  }

  /** The figures of the last second; undefined before there is a connection. */
  async stats(): Promise<
    (PlayerFigures & { state: PlayerState; firstFrame: number | undefined; window: number }) | undefined
  > {
    const figures = await this.#director?.sample();
    return figures && { ...figures, state: this.state, firstFrame: this.#firstFrame };
  }

  /** Goes to what was captured at a time, in ms since 1970 by the publisher's clock. */
  seek(capture: number): void {
    this.#director?.seek(capture);
  }

  /** Comes back to live. */
  goLive(): void {
    this.#director?.goLive();
  }

  /** Starts over, for instance after an error. */
  retry(): void {
    const sound = this.#video ?? { muted: this.muted, volume: 1 };
    void this.#director?.stop();
    this.#director = undefined;
    this.#firstFrame = undefined;
    this.scrubbing = undefined;
    const [whep, hls] = this.renderRoot.querySelectorAll("video");
    if (!this.src || !this.isConnected || !whep || !hls) return;
    const absolute = (url: string) => new URL(url, document.baseURI).href;
    const source = {
      whep: absolute(this.src),
      hls: this.hlsSrc ? absolute(this.hlsSrc) : undefined,
      token: this.token || undefined,
      mode: this.mode,
    };
    // A retry keeps what the viewer has chosen since.
    whep.volume = sound.volume;
    whep.muted = sound.muted;
    if (!this.#played) this.#askForSound = this.muted;
    this.#played = true;
    const director = new Director(source, { whep, hls });
    this.#director = director;
    this.#follow(director);
    director.start();
    // A video element without a picture holds up the page's load event, and a
    // viewer may wait for the broadcaster for hours: it starts after that.
    const attach = () => director === this.#director && director.attach();
    if (document.readyState === "complete") attach();
    else window.addEventListener("load", attach, { once: true });
    this.requestUpdate();
  }

  #follow(director: Director): void {
    director.on("change", () => this.requestUpdate());
    director.on("state", (detail) => this.#stateChanged(detail));
    director.on("first", (milliseconds) => {
      this.#firstFrame = milliseconds;
      this.#fire("freshet-first-frame", { milliseconds });
    });
    director.on("path", (detail) => this.#fire("freshet-path", detail));
    director.on("viewers", (viewers) => this.#fire("freshet-viewers", { viewers }));
    director.whep.client.on("layers", (layers) => this.#fire("freshet-layers", { layers }));
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
    void this.#director?.stop();
    this.#director = undefined;
  }

  readonly #redraw = () => this.requestUpdate();

  protected override updated(changed: PropertyValues): void {
    if (["src", "hlsSrc", "mode", "token"].some((name) => changed.has(name))) this.retry();
    this.dataset.state = this.state;
    this.dataset.path = this.path;
    if (changed.has("menuOpen") && this.menuOpen) {
      this.renderRoot.querySelector<HTMLElement>('[role="menu"] [aria-checked="true"]')?.focus();
    }
  }

  get #video(): HTMLVideoElement | undefined {
    return this.#director?.stage.video;
  }

  #fire(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #stateChanged(detail: { state: PlayerState; previous: PlayerState }): void {
    this.dataset.state = detail.state;
    this.#fire("freshet-state", detail);
    const engine = this.#director?.engine;
    if (detail.state === "error") {
      this.#fire("freshet-error", { reason: engine?.reason ?? "", status: engine?.refused ?? 0 });
    }
    if (detail.state === "live") this.#wake();
    else this.removeAttribute("data-idle");
  }

  #wake(): void {
    this.removeAttribute("data-idle");
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const busy = this.menuOpen || this.#video?.paused || this.renderRoot.querySelector(":focus-visible");
      if (this.state === "live" && !busy) this.setAttribute("data-idle", "");
    }, IDLE);
  }

  /** Somebody is there, who may want to go back in time. */
  readonly #stir = () => {
    this.#wake();
    void this.#director?.look();
  };

  readonly #actions: ControlActions = {
    togglePlay: () => {
      const video = this.#video;
      if (video?.paused) video.play().catch(() => {});
      else video?.pause();
    },
    setMuted: (muted) => {
      const video = this.#video;
      if (!video) return;
      video.muted = muted;
      if (!muted) {
        this.#askForSound = false;
        if (video.volume === 0) video.volume = 1;
        video.play().catch(() => {});
      }
      this.requestUpdate();
    },
    setVolume: (volume) => {
      if (this.#video) this.#video.volume = volume;
      this.#actions.setMuted(volume === 0);
    },
    toggleMenu: () => {
      this.menuOpen = !this.menuOpen;
    },
    toggleStats: () => {
      this.statsOpen = !this.statsOpen;
    },
    togglePip: () => togglePip(this.#video),
    toggleFull: () => toggleFull(this, this.#video),
    scrub: (behind, done) => {
      this.scrubbing = done ? undefined : behind;
      if (done) this.#director?.goTo(behind);
      this.#wake();
    },
    goLive: () => this.goLive(),
  };

  #choose(id: string | undefined): void {
    this.#closeMenu();
    this.#director
      ?.choose(id)
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
    if (this.#director) playerKey(event, this.#director, this.#actions);
  }

  protected override render(): TemplateResult {
    const director = this.#director;
    const engine = director?.engine;
    const live = this.state === "live";
    const muted = this.#video?.muted ?? this.muted;
    const askForSound = this.#askForSound || director?.stage.refusedSound;
    const figures = this.statsOpen ? engine?.figures : undefined;
    return html`
      <div class="frame" @pointermove=${this.#stir} @focusin=${this.#stir} @pointerdown=${this.#press} @keydown=${this.#key}>
        ${this.#element("whep")}${this.#element("hls")}
        <slot name="overlay"></slot>
        <div class="top">
          ${live && director?.atLive ? html`<span class="badge live" data-testid="live">LIVE</span>` : nothing}
          ${director?.whep.viewers === undefined ? nothing : html`<span class="badge" data-testid="viewers">${director.whep.viewers} watching</span>`}
          ${director?.notice ? html`<span class="badge" role="status" data-testid="notice">${director.notice}</span>` : nothing}
        </div>
        ${engine ? message(engine, () => this.retry()) : nothing}
        ${figures ? figuresList(figures, this.#firstFrame) : nothing}
        ${live && askForSound && muted ? html`<button class="pill tap" data-testid="tap-for-sound" @click=${() => this.#actions.setMuted(false)}>${icon("muted")} Tap for sound</button>` : nothing}
        ${director ? controlBar(director, { muted, menuOpen: this.menuOpen, statsOpen: this.statsOpen, full: document.fullscreenElement === this, scrubbing: this.scrubbing }, this.#actions) : nothing}
        ${this.menuOpen && director && engine ? qualityMenu({ qualities: engine.qualities, chosen: engine.chosen, choose: (id) => this.#choose(id), close: () => this.#closeMenu() }) : nothing}
      </div>`;
  }

  /** One of the two video elements; the one that is seen lies above. */
  #element(path: Path): TemplateResult {
    const seen = path === this.path;
    return html`<video playsinline class=${seen ? "seen" : ""} aria-label="Live video" aria-hidden=${seen ? nothing : "true"}
      data-path=${path} data-testid=${seen ? "video" : "video-behind"}
      @volumechange=${this.#redraw} @pause=${this.#redraw} @play=${this.#redraw} @click=${this.#stir}></video>`;
  }
}

customElements.define("freshet-player", FreshetPlayer);

declare global {
  interface HTMLElementTagNameMap {
    "freshet-player": FreshetPlayer;
  }
}
