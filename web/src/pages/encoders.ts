import { html, type TemplateResult } from "lit";
import { copyRow } from "./shell.ts";

/** How to publish a stream with OBS or ffmpeg. */
export function encoderHelp(stream: string): TemplateResult {
  const url = `${location.origin}/whip/${stream}`;
  const ffmpeg = [
    "ffmpeg -re -i input.mp4",
    "-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -bf 0 -g 30 -b:v 2500k -pix_fmt yuv420p",
    `-c:a libopus -ar 48000 -ac 2 -b:a 128k -f whip "${url}"`,
  ].join(" ");
  return html`<div class="card">
    <h2>Use OBS or ffmpeg</h2>
    <p class="hint">OBS 30 or newer: Settings, Stream, service “WHIP”. With access tokens on, paste a publish token as the bearer token.</p>
    ${copyRow("WHIP server", url, "whip-url")}
    <p class="hint">In Output: keyframe interval 1 s, B-frames 0, tune zerolatency, simulcast on (OBS 32).</p>
    ${copyRow("ffmpeg 8", ffmpeg, "ffmpeg")}
    <p class="hint">With access tokens on, add <code>-authorization TOKEN</code> before the address.</p>
  </div>`;
}
