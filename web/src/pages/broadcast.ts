import { html, nothing, type TemplateResult } from "lit";
import { capture, captureProblem, devices, stopMedia } from "../publish/capture.ts";
import { type LayerRow, layerRows } from "../publish/report.ts";
import { available, type CodecName, encodings, preferences } from "../publish/settings.ts";
import { WhipClient } from "../whip.ts";
import { saveToken, streamOf, takeToken } from "../wire/access.ts";
import type { Verdict } from "../wire/health.ts";
import type { PeerState } from "../wire/peer.ts";
import { type Reading, readStats } from "../wire/stats.ts";
import { liveTable, type SetupValues, setupForm, statusLine } from "./broadcast-parts.ts";
import { healthPanel } from "./health.ts";
import { badName, copyRow, header, Page } from "./shell.ts";

/** /broadcast/{stream}: choose devices, go live, watch over the layers. */
class BroadcastPage extends Page {
  static override properties = {
    values: { state: true },
    state: { state: true },
    problem: { state: true },
    rows: { state: true },
    health: { state: true },
    media: { state: true },
    liveSince: { state: true },
    lists: { state: true },
  };
  declare values: SetupValues;
  declare state: PeerState;
  declare problem: string;
  declare rows: LayerRow[];
  declare health: Verdict[];
  declare media: MediaStream | undefined;
  declare liveSince: number | undefined;
  declare lists: { cameras: MediaDeviceInfo[]; microphones: MediaDeviceInfo[] };

  readonly stream = streamOf(location.pathname);
  readonly codecs = RTCRtpSender.getCapabilities?.("video")?.codecs ?? [];
  readonly #client = new WhipClient(new URL(`/whip/${this.stream}`, location.href).href);
  #reading: Reading | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Counts captures, so that a slow one does not overtake a later one. */
  #captures = 0;

  constructor() {
    super();
    const token = (this.stream && takeToken("publish", this.stream)) ?? "";
    const codec = available(this.codecs)[0] ?? "VP8";
    this.values = { picture: "camera", camera: "", microphone: "", height: 720, codec, token };
    this.state = "idle";
    this.problem = "";
    this.rows = [];
    this.health = [];
    this.media = undefined;
    this.liveSince = undefined;
    this.lists = { cameras: [], microphones: [] };
    if (this.stream) document.title = `Broadcast ${this.stream} · Freshet`;
    this.#client.on("state", ({ state, reason }) => this.#changed(state, reason));
    this.#client.on("health", (verdicts) => {
      this.health = verdicts;
    });
    this.#client.on("paused", () => void this.#sample());
  }

  get live(): boolean {
    return !["idle", "closed", "failed"].includes(this.state);
  }

  protected override firstUpdated(): void {
    const room = this.querySelector("freshet-room");
    // Nobody plays here: what the host says belongs to the picture that is being taken.
    if (room) room.clock = () => (this.state === "connected" ? Date.now() : undefined);
    // Without its devices nobody goes live: the chat is loaded after them.
    setTimeout(() => void import("../room/room.ts"));
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (!this.stream) return;
    navigator.mediaDevices?.addEventListener?.("devicechange", this.#list);
    addEventListener("beforeunload", this.#warn);
    void this.#capture();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.#list);
    removeEventListener("beforeunload", this.#warn);
    clearInterval(this.#timer);
    void this.#client.end();
    stopMedia(this.media);
  }

  readonly #warn = (event: BeforeUnloadEvent) => {
    if (this.live) event.preventDefault();
  };

  readonly #list = async () => {
    this.lists = await devices();
  };

  #changed(state: PeerState, reason?: Error): void {
    this.state = state;
    this.problem = reason?.message ?? (state === "connected" ? "" : this.problem);
    if (state === "connected") this.liveSince ??= Date.now();
    if (!this.live) {
      this.liveSince = undefined;
      clearInterval(this.#timer);
      this.rows = [];
      this.health = [];
    }
  }

  async #capture(): Promise<void> {
    const turn = ++this.#captures;
    try {
      const media = await capture(this.values);
      if (turn !== this.#captures) return stopMedia(media);
      stopMedia(this.media);
      this.media = media;
      this.problem = "";
      // The browser's own "stop sharing" takes the picture away.
      media.getVideoTracks()[0]?.addEventListener("ended", () => this.#lostPicture(media));
      if (this.live) await this.#client.replaceMedia(media);
    } catch (error) {
      if (turn === this.#captures) this.problem = captureProblem(error);
    }
    await this.#list();
  }

  #lostPicture(media: MediaStream): void {
    if (media !== this.media) return;
    this.problem = "The picture stopped: the screen is not shared any more, or the camera was unplugged.";
  }

  #change(values: Partial<SetupValues>): void {
    const before = this.values;
    this.values = { ...before, ...values };
    if (values.token !== undefined && this.stream) saveToken("publish", this.stream, values.token);
    const recapture = (["picture", "camera", "microphone", "height"] as const).some(
      (k) => before[k] !== this.values[k],
    );
    if (recapture) void this.#capture();
  }

  async #goLive(): Promise<void> {
    if (!this.media) await this.#capture();
    if (!this.media) return;
    const { codec, token, height } = this.values;
    this.problem = "";
    this.#reading = undefined;
    const actual = this.media.getVideoTracks()[0]?.getSettings().height ?? height;
    this.#client.publish(this.media, {
      ...(token ? { token } : {}),
      encodings: encodings(nearest(actual, height), codec as CodecName),
      videoCodecs: preferences(this.codecs, codec as CodecName),
    });
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#sample(), 1000);
  }

  async #sample(): Promise<void> {
    const pc = this.#client.connection;
    if (pc?.connectionState !== "connected") return;
    const reading = readStats((await pc.getStats()) as unknown as Iterable<[string, unknown]>);
    this.rows = layerRows(this.#reading, reading);
    this.#reading = reading;
  }

  async #end(): Promise<void> {
    await this.#client.end();
    this.#changed("closed");
    this.problem = "";
  }

  #toggle(kind: "audio" | "video"): void {
    for (const track of this.media?.getTracks() ?? [])
      if (track.kind === kind) track.enabled = !track.enabled;
    this.requestUpdate();
  }

  protected override updated(): void {
    this.dataset.state = this.state;
    const video = this.querySelector("video");
    if (video && video.srcObject !== (this.media ?? null)) video.srcObject = this.media ?? null;
  }

  protected override render(): TemplateResult {
    const { stream } = this;
    if (!stream) return badName();
    const watch = `${location.origin}/watch/${stream}`;
    return html`${header(statusLine(this.state, this.liveSince))}
      <main class="wide studio">
        <section class="stage">
          <div class="preview ${this.values.picture === "camera" ? "mirror" : ""}">
            <video autoplay muted playsinline aria-label="Preview" data-testid="preview"></video>
            <freshet-reactions></freshet-reactions>
            ${this.media?.getVideoTracks().length ? nothing : html`<p>${this.values.picture === "none" ? "Sound only" : "No picture yet"}</p>`}
          </div>
          <div class="row actions">
            ${this.#toggleButton("audio", "Mute", "Unmute")} ${this.#toggleButton("video", "Picture off", "Picture on")}
            <span class="grow"></span>
            ${
              this.live
                ? html`<button class="button danger" data-testid="end" @click=${this.#end}>End broadcast</button>`
                : html`<button class="button primary big" data-testid="go-live" @click=${this.#goLive}>Go live</button>`
            }
          </div>
          <p class="banner" role="alert" data-testid="problem" ?hidden=${!this.problem}>${this.problem}</p>
          ${this.live ? [liveTable(this.rows), healthPanel(this.health)] : nothing}
        </section>
        <aside>
          <div class="headline"><h1>${stream}</h1></div>
          <details class="card setup" ?open=${!this.live}>
            <summary>Devices and quality</summary>
            ${setupForm(this.values, this.lists, available(this.codecs), this.live, (v) => this.#change(v))}
          </details>
          <details class="card" ?open=${!this.live}>
            <summary>Share</summary>
            ${copyRow("Watch link", watch, "watch-link")}
            <a class="button small quiet" href="/watch/${stream}" target="_blank" rel="noopener">Open the watch page</a>
          </details>
          <freshet-room src="/rooms/${stream}" token=${this.values.token} as="host" data-testid="room" @freshet-reactions=${this.#react}></freshet-room>
        </aside>
      </main>`;
  }

  #react(event: CustomEvent<{ reactions: readonly { emoji: string; count: number }[] }>): void {
    this.querySelector("freshet-reactions")?.show(event.detail.reactions);
  }

  #toggleButton(kind: "audio" | "video", off: string, on: string): TemplateResult {
    const track = this.media?.getTracks().find((t) => t.kind === kind);
    const enabled = track?.enabled ?? true;
    return html`<button class="button toggle" ?disabled=${!track} aria-pressed=${!enabled} data-testid="toggle-${kind}"
      @click=${() => this.#toggle(kind)}>${enabled ? off : on}</button>`;
  }
}

/** The capture height for the bitrates: what the camera gives, or what was asked. */
function nearest(actual: number, asked: number): number {
  return [360, 480, 720, 1080].find((h) => h >= actual) ?? asked;
}

customElements.define("broadcast-page", BroadcastPage);
