import { css, html, LitElement } from "lit";
import { glyph } from "./emoji.ts";

/** So many float at a time; a crowd is told by a number. */
const MOST = 24;
/** Up to so many of one kind float one by one. */
const SINGLE = 5;
const FLIGHT = 3400;

/**
 * The reactions that float over a picture. Where the user wants no motion they
 * only show for a moment.
 */
export class FreshetReactions extends LitElement {
  static override styles = css`
    :host { position: absolute; inset: 0; overflow: hidden; pointer-events: none; z-index: 2; contain: strict; }
    span { position: absolute; bottom: 56px; font: 30px/1 "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif; white-space: nowrap; opacity: 0;
      filter: drop-shadow(0 1px 3px rgb(0 0 0 / 55%)); will-change: transform, opacity; }
    span.word { font: 700 15px/1.4 var(--freshet-font, system-ui, sans-serif); color: #fff; padding: 1px 10px; border-radius: 12px;
      background: rgb(8 14 16 / 72%); }
    b { font: 700 14px/1 var(--freshet-font, system-ui, sans-serif); color: #fff; margin-left: 4px; vertical-align: 8px;
      text-shadow: 0 1px 3px #000; }
  `;

  /** Lets reactions float. */
  show(reactions: readonly { emoji: string; count: number }[]): void {
    if (document.hidden) return;
    for (const { emoji, count } of reactions) {
      const each = count <= SINGLE ? count : 3;
      for (let i = 0; i < each; i++) this.#float(emoji, i === 0 && count > SINGLE ? count : 0, i * 140);
    }
  }

  #float(emoji: string, count: number, delay: number): void {
    const root = this.shadowRoot;
    if (!root || root.querySelectorAll("span").length >= MOST) return;
    const flying = document.createElement("span");
    flying.textContent = glyph(emoji);
    if (flying.textContent !== emoji) flying.className = "word";
    if (count > 0) {
      const number = document.createElement("b");
      number.textContent = `×${count}`;
      flying.append(number);
    }
    // On the right, where pictures have the least to tell.
    flying.style.right = `${3 + Math.random() * 20}%`;
    root.append(flying);
    const flight = flying.animate(frames(this.clientHeight), { duration: FLIGHT, delay, easing: "ease-out" });
    flight.onfinish = () => flying.remove();
    flight.oncancel = () => flying.remove();
  }

  protected override render() {
    return html``;
  }
}

/** How one flies, over a picture of so many px. */
function frames(height: number): Keyframe[] {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    return [{ opacity: 0 }, { opacity: 1, offset: 0.1 }, { opacity: 1, offset: 0.8 }, { opacity: 0 }];
  }
  const sway = () => `${Math.round(Math.random() * 36 - 18)}px`;
  const rise = Math.max(80, height * 0.62);
  return [
    { opacity: 0, transform: "translate(0, 12px) scale(0.5)" },
    { opacity: 1, transform: `translate(0, ${-rise * 0.12}px) scale(1.15)`, offset: 0.12 },
    { opacity: 1, transform: `translate(${sway()}, ${-rise * 0.6}px) scale(1)`, offset: 0.65 },
    { opacity: 0, transform: `translate(${sway()}, ${-rise}px) scale(0.9)` },
  ];
}

customElements.define("freshet-reactions", FreshetReactions);

declare global {
  interface HTMLElementTagNameMap {
    "freshet-reactions": FreshetReactions;
  }
}
