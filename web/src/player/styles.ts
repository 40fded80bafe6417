import { css } from "lit";

/** The player's look. It is dark in every theme, as the picture is. */
export const styles = css`
  :host {
    --accent: var(--freshet-accent, #38c6b4);
    --live: var(--freshet-live, #d13438);
    position: relative;
    display: block;
    aspect-ratio: 16 / 9;
    overflow: hidden;
    border-radius: var(--freshet-player-radius, 14px);
    background: #000;
    color: #f3f7f8;
    font: 15px/1.45 var(--freshet-font, system-ui, sans-serif);
    container-type: size;
  }
  :host([hidden]) { display: none; }
  :host(:fullscreen) { border-radius: 0; aspect-ratio: auto; }
  .frame { height: 100%; }
  /* The hidden picture lies below the seen one, and plays: nothing black between the two. */
  video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; display: block; background: #000; }
  video.seen { z-index: 1; }
  button { font: inherit; color: inherit; cursor: pointer; border: 0; background: none; }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  svg { width: 22px; height: 22px; fill: none; stroke: currentColor; stroke-width: 1.8;
    stroke-linecap: round; stroke-linejoin: round; }
  svg.filled { fill: currentColor; stroke: none; }
  .hidden-text { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }

  .top, .bar, .figures, .menu, .tap, .message { z-index: 2; }
  .top { position: absolute; inset: 12px 12px auto; display: flex; gap: 8px; pointer-events: none; }
  .badge { padding: 2px 9px; border-radius: 6px; font-size: 12px; font-weight: 650; letter-spacing: 0.04em;
    background: rgb(8 14 16 / 72%); font-variant-numeric: tabular-nums; }
  .badge.live { background: var(--live); color: #fff; }

  .message { position: absolute; inset: 0 0 52px; display: grid; place-content: center; justify-items: center;
    gap: 6px; padding: 0 20px; text-align: center; pointer-events: none; }
  .message.veil { inset: 0; background: rgb(6 11 13 / 66%); }
  .message h2 { margin: 6px 0 0; font-size: 19px; font-weight: 620; }
  .message p { margin: 0; color: #b9c7cb; max-width: 46ch; }
  .message button { pointer-events: auto; }
  .dots { display: flex; gap: 7px; height: 10px; }
  .dots i { width: 9px; height: 9px; border-radius: 50%; background: var(--accent); animation: rise 1.2s infinite; }
  .dots i:nth-child(2) { animation-delay: 0.15s; }
  .dots i:nth-child(3) { animation-delay: 0.3s; }
  @keyframes rise { 0%, 60%, 100% { opacity: 0.3; transform: none; } 30% { opacity: 1; transform: translateY(-4px); } }

  .pill { display: inline-flex; align-items: center; gap: 8px; min-height: 42px; padding: 0 18px; border-radius: 21px;
    background: rgb(8 14 16 / 78%); font-weight: 600; box-shadow: 0 2px 14px rgb(0 0 0 / 40%); }
  .pill:hover { background: rgb(28 40 44 / 90%); }
  .pill.main { background: var(--accent); color: #04211e; }
  .tap { position: absolute; left: 50%; bottom: 72px; translate: -50% 0; white-space: nowrap; }

  .menu { position: absolute; right: 10px; bottom: 58px; min-width: 220px; max-height: calc(100% - 70px);
    overflow: auto; padding: 6px; border-radius: 12px; background: rgb(14 21 24 / 96%);
    box-shadow: 0 8px 30px rgb(0 0 0 / 50%); box-sizing: border-box; }
  .menu button { display: grid; grid-template-columns: 24px 1fr auto; align-items: center; gap: 6px; width: 100%;
    min-height: 40px; padding: 0 10px 0 6px; border-radius: 8px; text-align: left; }
  .menu button:hover, .menu button:focus-visible { background: rgb(255 255 255 / 10%); outline-offset: -2px; }
  .menu svg { width: 18px; height: 18px; color: var(--accent); }
  .menu small { color: #9fb0b5; font-variant-numeric: tabular-nums; }
  .menu button[aria-disabled="true"] { opacity: 0.5; }

  .figures { position: absolute; left: 12px; top: 44px; margin: 0; padding: 10px 14px; border-radius: 10px;
    background: rgb(8 14 16 / 82%); font-size: 12.5px; display: grid; grid-template-columns: auto minmax(13ch, auto);
    gap: 2px 14px; font-variant-numeric: tabular-nums; max-height: calc(100% - 116px); overflow: auto; }
  .figures dt { color: #9fb0b5; }
  .figures dd { margin: 0; text-align: right; }

  @container (width < 520px) {
    .figures { font-size: 11px; gap: 0 10px; padding: 6px 10px; top: 40px; left: 8px; }
    .menu { bottom: 52px; max-height: calc(100% - 58px); padding: 4px; }
    .menu button { min-height: 35px; }
    .message h2 { font-size: 16px; }
    .message p { font-size: 13px; }
    .tap { inset: 10px 10px auto auto; translate: none; min-height: 38px; padding: 0 14px; font-size: 14px; }
  }
  @media (prefers-reduced-motion: reduce) {
    .dots i { animation: none; opacity: 0.8; }
    .top { transition: none; }
  }
`;

/** The look of the controls at the bottom. */
export const controlStyles = css`
  .bar { position: absolute; inset: auto 0 0; display: flex; flex-wrap: wrap; align-items: center; gap: 0 2px; padding: 26px 8px 6px;
    background: linear-gradient(transparent, rgb(4 8 10 / 78%)); transition: opacity 0.2s; }
  :host([data-idle]) .bar, :host([data-idle]) .top { opacity: 0; }
  :host([data-idle]) { cursor: none; }
  .top { transition: opacity 0.2s; }
  .bar .space { flex: 1; }
  .key { display: grid; place-items: center; width: 42px; height: 42px; border-radius: 10px; flex: none; }
  .key:hover { background: rgb(255 255 255 / 14%); }
  .key[aria-pressed="true"], .key[aria-expanded="true"] { color: var(--accent); }
  .quality { grid-auto-flow: column; gap: 6px; width: auto; padding: 0 10px; font-size: 13px; font-weight: 600; }
  .volume { width: 90px; accent-color: var(--accent); margin: 0 6px; height: 28px; cursor: pointer; }

  .edge { grid-auto-flow: column; gap: 7px; width: auto; padding: 0 10px; font-size: 13px; font-weight: 600;
    font-variant-numeric: tabular-nums; }
  .edge i { width: 8px; height: 8px; border-radius: 50%; background: #8d9ba0; }
  .edge[data-live="true"] i { background: var(--live); }
  .edge:disabled { cursor: default; background: none; }
  .edge b { padding: 3px 9px; border-radius: 11px; background: var(--accent); color: #04211e; font-weight: 650; }

  .seek { position: relative; flex: 0 0 100%; padding: 0 8px; box-sizing: border-box; }
  .seek output { position: absolute; right: 12px; bottom: 26px; }
  .past { appearance: none; width: 100%; height: 22px; margin: 0; background: none; cursor: pointer; display: block; }
  .past::-webkit-slider-runnable-track { height: 4px; border-radius: 2px;
    background: linear-gradient(to right, var(--accent) var(--filled, 100%), rgb(255 255 255 / 34%) var(--filled, 100%)); }
  .past::-moz-range-track { height: 4px; border-radius: 2px; background: rgb(255 255 255 / 34%); }
  .past::-moz-range-progress { height: 4px; border-radius: 2px; background: var(--accent); }
  .past::-webkit-slider-thumb { appearance: none; width: 14px; height: 14px; margin-top: -5px; border-radius: 50%; background: #fff; }
  .past::-moz-range-thumb { width: 14px; height: 14px; border: 0; border-radius: 50%; background: #fff; }

  @container (width < 520px) {
    .volume { display: none; }
    .bar { padding: 14px 2px 4px; }
    .key { width: 36px; }
    .edge:has(b) :is(i, span) { display: none; }
    .quality, .edge { width: auto; padding: 0 7px; }
  }
  @media (prefers-reduced-motion: reduce) {
    .bar { transition: none; }
  }
`;
