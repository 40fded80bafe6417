import { html, nothing, type TemplateResult } from "lit";
import type { Verdict } from "../wire/health.ts";

const TITLES: Record<string, string> = {
  "keyframe-interval": "Keyframe interval",
  "keyframe-requests": "Keyframe requests",
  "b-frames": "B-frames",
  "frame-rate": "Frame rate",
  "frame-pacing": "Frame pacing",
  layers: "Layers",
  loss: "Loss",
  "clock-drift": "Clock",
  audio: "Sound",
};

const title = (v: Verdict) => TITLES[v.id] ?? v.id;
const problems = (verdicts: Verdict[]) => verdicts.filter((v) => v.severity !== "ok");

/** How it stands, in a few words without figures, so that it seldom changes. */
export function healthSummary(verdicts: Verdict[]): { look: Verdict["severity"]; text: string } {
  if (verdicts.length === 0) return { look: "ok", text: "Looking at the stream…" };
  const found = problems(verdicts);
  if (found.length === 0) return { look: "ok", text: "The stream is healthy" };
  const look = found.some((v) => v.severity === "warning") ? "warning" : "notice";
  return {
    look,
    text: `${look === "warning" ? "Needs attention" : "Could be better"}: ${found.map(title).join(", ")}`,
  };
}

function rows(verdicts: Verdict[]): TemplateResult {
  return html`<ul class="verdicts">
    ${verdicts.map(
      (v) => html`<li class="verdict ${v.severity}" data-testid="health-${v.id}" data-severity=${v.severity}>
        <strong>${title(v)}</strong>
        <span>${v.text}${v.remedy ? html` <em>${v.remedy}</em>` : nothing}</span>
      </li>`,
    )}
  </ul>`;
}

/** For the broadcaster: what is wrong in full, the rest on request. */
export function healthPanel(verdicts: Verdict[]): TemplateResult {
  const { look, text } = healthSummary(verdicts);
  const found = problems(verdicts);
  const fine = verdicts.filter((v) => v.severity === "ok");
  return html`<section class="card health" data-testid="health" aria-label="Stream health">
    <p class="health-state ${look}" role="status" aria-live="polite">${text}</p>
    ${found.length > 0 ? rows(found) : nothing}
    <details>
      <summary>${found.length > 0 ? "What is fine" : "Details"}</summary>
      ${rows(fine)}
    </details>
  </section>`;
}

/** For the overview: one line, always there while somebody publishes. */
export function healthLine(verdicts: Verdict[]): TemplateResult {
  const { look, text } = healthSummary(verdicts);
  return html`<details class="health" data-testid="health">
    <summary><span class="health-state ${look}">${text}</span></summary>
    ${rows([...problems(verdicts), ...verdicts.filter((v) => v.severity === "ok")])}
  </details>`;
}
