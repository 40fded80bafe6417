import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { isStreamName, saveToken, takeToken } from "../wire/access.ts";
import { type ApiLayer, type ApiStream, listStreams } from "../wire/api.ts";
import { bitrate, duration, percent, size } from "../wire/format.ts";
import { RequestError } from "../wire/problem.ts";
import { pause } from "../wire/timing.ts";
import { encoderHelp } from "./encoders.ts";
import { healthLine } from "./health.ts";
import { header, Page, tokenForm } from "./shell.ts";

const INTERVAL = 1000;

/** /: every stream with its layers and viewers, and how to start one. */
class DashboardPage extends Page {
  static override properties = {
    streams: { state: true },
    problem: { state: true },
    locked: { state: true },
    name: { state: true },
  };
  declare streams: ApiStream[] | undefined;
  declare problem: string;
  declare locked: boolean;
  declare name: string;
  #life: AbortController | undefined;

  constructor() {
    super();
    this.streams = undefined;
    this.problem = "";
    this.locked = false;
    this.name = "demo";
    takeToken("admin", "");
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#start();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#life?.abort();
  }

  #start(): void {
    this.#life?.abort();
    this.#life = new AbortController();
    void this.#refresh(this.#life.signal);
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (!document.hidden) await this.#load(signal);
      if (this.locked) return;
      await pause(INTERVAL, signal);
    }
  }

  async #load(signal: AbortSignal): Promise<void> {
    try {
      this.streams = await listStreams(takeToken("admin", ""), signal);
      this.problem = "";
    } catch (error) {
      if (signal.aborted) return;
      this.problem = error instanceof Error ? error.message : String(error);
      this.locked = error instanceof RequestError && [401, 403].includes(error.status);
    }
  }

  #use(token: string): void {
    saveToken("admin", "", token);
    this.locked = false;
    this.#start();
  }

  protected override render(): TemplateResult {
    const all = this.streams ?? [];
    const live = all.filter((s) => s.state === "live").length;
    // What stands below the list comes after it, not to be pushed down.
    const known = this.streams || this.locked || this.problem;
    const viewers = all.reduce((sum, s) => sum + s.viewers, 0);
    return html`${header()}
      <main class="wide">
        <div class="headline">
          <h1>Streams</h1>
          <p class="muted numbers" data-testid="totals">${this.streams ? `${live} live · ${viewers} watching` : nothing}</p>
        </div>
        ${this.locked ? tokenForm(this.problem, (token) => this.#use(token)) : this.#list()}
        ${known ? html`<section class="columns">${this.#goLive()} ${encoderHelp(this.#validName)}</section>` : nothing}
      </main>`;
  }

  #list(): TemplateResult {
    return html`
      <p class="banner" role="status" ?hidden=${!this.problem}>${this.problem} Trying again…</p>
      <div class="streams" aria-busy=${this.streams === undefined} data-testid="streams">
        ${repeat(
          this.streams ?? [],
          (s) => s.name,
          (s) => streamCard(s),
        )}
        ${
          this.streams?.length === 0
            ? html`<div class="card empty"><h2>Nobody is live yet</h2><p class="muted">Go live below, from this browser or with an encoder. The stream shows up here at once.</p></div>`
            : nothing
        }
      </div>`;
  }

  get #validName(): string {
    return isStreamName(this.name) ? this.name : "demo";
  }

  #goLive(): TemplateResult {
    const valid = isStreamName(this.name);
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      if (valid) location.assign(`/broadcast/${this.name}`);
    };
    return html`<form class="card" @submit=${submit}>
      <h2>Go live from this browser</h2>
      <label for="name">Stream name</label>
      <div class="row">
        <input id="name" data-testid="name" autocomplete="off" autocapitalize="none" spellcheck="false" maxlength="64"
          .value=${this.name} aria-describedby="name-hint" aria-invalid=${!valid}
          @input=${(e: Event) => (this.name = (e.target as HTMLInputElement).value.trim())} />
        <button class="button primary" data-testid="go-live" ?disabled=${!valid}>Go live</button>
      </div>
      <p class="hint" id="name-hint">Letters, digits, “-” and “_”. Viewers find it at <code>/watch/${this.#validName}</code>.</p>
    </form>`;
  }
}

const WORDS = { idle: "Waiting", live: "Live", reconnecting: "Reconnecting", ended: "Ended" } as const;

function streamCard(s: ApiStream): TemplateResult {
  const age = duration((Date.now() - Date.parse(s.since)) / 1000);
  const codecs = [s.video?.codec, s.audio?.codec].filter(Boolean).join(" · ");
  return html`<article class="card stream" data-testid="stream" data-stream=${s.name} data-state=${s.state}>
    <div class="stream-head">
      <h2><a href="/watch/${s.name}">${s.name}</a></h2>
      <span class="state ${s.state}">${WORDS[s.state] ?? s.state}</span>
      <span class="muted numbers">${age}</span>
      <span class="grow"></span>
      <span class="muted numbers">${codecs}</span>
      <span class="numbers" data-testid="viewers"><strong>${s.viewers}</strong> watching</span>
    </div>
    ${s.video ? layerTable(s.video.layers.toReversed()) : nothing}
    ${s.publisher ? healthLine(s.health ?? []) : nothing}
    <div class="row links">
      <a class="button small" href="/watch/${s.name}">Watch</a>
      <a class="button small quiet" href="/broadcast/${s.name}">Broadcast</a>
    </div>
  </article>`;
}

function layerTable(layers: ApiLayer[]): TemplateResult {
  return html`<div class="scroll"><table class="figures-table">
    <thead><tr><th scope="col">Layer</th><th scope="col">Size</th><th scope="col">Frames</th><th scope="col">Bitrate</th><th scope="col">Loss</th></tr></thead>
    <tbody>
      ${layers.map(
        (l) => html`<tr class=${l.active ? "" : "off"}>
          <th scope="row">${l.rid || "video"}</th>
          <td>${size(l.width ?? 0, l.height ?? 0)}</td>
          <td>${l.active && l.frameRate ? `${Math.round(l.frameRate)} fps` : "–"}</td>
          <td>${l.active ? bitrate(l.bitrate) : l.wanted ? "off" : "paused"}</td>
          <td>${percent(l.packets + l.lost > 0 ? l.lost / (l.packets + l.lost) : 0)}</td>
        </tr>`,
      )}
    </tbody>
  </table></div>`;
}

customElements.define("dashboard-page", DashboardPage);
