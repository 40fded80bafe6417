import { html, nothing, type TemplateResult } from "lit";
import type { CaptureChoice, PictureSource } from "../publish/capture.ts";
import type { LayerRow } from "../publish/report.ts";
import { HEIGHTS } from "../publish/settings.ts";
import { bitrate, duration, millis, percent, size } from "../wire/format.ts";
import type { PeerState } from "../wire/peer.ts";

/** The fields of the form. */
export interface SetupValues extends CaptureChoice {
  codec: string;
  token: string;
}

const WORDS: Record<PeerState, [string, string]> = {
  idle: ["Not live", "idle"],
  closed: ["Not live", "idle"],
  connecting: ["Connecting", "reconnecting"],
  connected: ["Live", "live"],
  reconnecting: ["Reconnecting", "reconnecting"],
  failed: ["Not live", "ended"],
};

/** The state in the top bar. */
export function statusLine(state: PeerState, since: number | undefined): TemplateResult {
  const [word, look] = WORDS[state];
  const age = since === undefined ? "" : duration((Date.now() - since) / 1000);
  return html`<span class="muted numbers" aria-hidden="true">${age}</span>
    <span class="state ${look}" role="status" data-testid="state">${word}</span>`;
}

/** Devices, codec and token. Fields that cannot change while live are disabled then. */
export function setupForm(
  values: SetupValues,
  lists: { cameras: MediaDeviceInfo[]; microphones: MediaDeviceInfo[] },
  codecs: string[],
  live: boolean,
  change: (values: Partial<SetupValues>) => void,
): TemplateResult {
  const options = (list: [string, string][], value: string) =>
    list.map(([id, name]) => html`<option value=${id} ?selected=${id === value}>${name}</option>`);
  const field = (
    id: keyof SetupValues,
    label: string,
    list: [string, string][],
    locked: boolean,
  ) => html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} data-testid=${id} ?disabled=${locked} @change=${(e: Event) => {
      const value = (e.target as HTMLSelectElement).value;
      change({ [id]: id === "height" ? Number(value) : value });
    }}>${options(list, String(values[id]))}</select>
  </div>`;
  const named = (list: MediaDeviceInfo[], word: string): [string, string][] => [
    ["", `Default ${word}`],
    ...list
      .filter((d) => d.deviceId !== "default")
      .map((d, i): [string, string] => [d.deviceId, d.label || `${word} ${i + 1}`]),
  ];
  const pictures: [PictureSource, string][] = [
    ["camera", "Camera"],
    ["screen", "Screen"],
    ["none", "None, sound only"],
  ];
  return html`<form class="fields" @submit=${(e: Event) => e.preventDefault()}>
    ${field("picture", "Picture", pictures, live && values.picture === "none")}
    ${values.picture === "camera" ? field("camera", "Camera", named(lists.cameras, "camera"), false) : nothing}
    ${field("microphone", "Microphone", [...named(lists.microphones, "microphone"), ["none", "None"]], false)}
    <div class="pair">
      ${field(
        "height",
        "Resolution",
        HEIGHTS.map((h) => [String(h), `${h}p`]),
        live,
      )}
      ${field(
        "codec",
        "Codec",
        codecs.map((c) => [c, c]),
        live,
      )}
    </div>
    <div class="field">
      <label for="token">Publish token</label>
      <input id="token" data-testid="token" type="password" autocomplete="off" spellcheck="false" placeholder="Only where the server asks for one"
        .value=${values.token} ?disabled=${live} @change=${(e: Event) => change({ token: (e.target as HTMLInputElement).value.trim() })} />
    </div>
  </form>`;
}

const LIMITS: Record<string, string> = { none: "–", cpu: "CPU", bandwidth: "Network", other: "Other" };

/** What is being sent, layer by layer. */
export function liveTable(rows: LayerRow[]): TemplateResult {
  const shown = rows.length > 0 ? rows : [];
  return html`<div class="card scroll" data-testid="layers">
    <table class="figures-table">
      <thead>
        <tr><th scope="col">Layer</th><th scope="col">Size</th><th scope="col">Frames</th><th scope="col">Bitrate</th><th scope="col">Round trip</th>
          <th scope="col">Loss</th><th scope="col" title="Why the browser sends less than it may">Limited by</th><th scope="col">Keyframes</th></tr>
      </thead>
      <tbody>
        ${shown.map(
          (
            r,
          ) => html`<tr data-testid="layer-${r.name}" data-active=${r.active} class=${r.bitrate > 0 ? "" : "off"}>
            <th scope="row">${r.name} <small>${r.codec}</small></th>
            <td>${size(r.width, r.height)}</td>
            <td>${r.kind === "video" && r.fps > 0 ? `${Math.round(r.fps)} fps` : "–"}</td>
            <td data-testid="bitrate" title=${r.active ? "" : "Nobody watches this layer at present"}>${r.active ? bitrate(r.bitrate) : "paused"}</td>
            <td>${millis(r.rtt)}</td>
            <td>${percent(r.loss)}</td>
            <td>${LIMITS[r.limitation] ?? r.limitation}</td>
            <td>${r.kind === "video" ? r.keyframes : "–"}</td>
          </tr>`,
        )}
        ${shown.length === 0 ? html`<tr><td colspan="8" class="muted">Waiting for the first figures…</td></tr>` : nothing}
      </tbody>
    </table>
  </div>`;
}
