import { css } from "lit";

/** The chat's look. The colours are those of the page's design, with a default where it has none. */
export const roomStyles = css`
  :host {
    --s: var(--surface, #fff); --sunk: var(--sunken, #eaf0f0); --l: var(--line, #d6e0e0); --t: var(--text, #10211f);
    --m: var(--muted, #52676a); --a: var(--accent, #0b7f75); --as: var(--accent-strong, #08655d); --on: var(--on-accent, #fff);
    --d: var(--danger, #b3212d); --w: var(--warn, #8a5a00); --ws: var(--warn-soft, #fff3d6);
    --shine: color-mix(in srgb, var(--a) 26%, transparent);
    --name-light: 0.47; --name-colour: 0.115;
    display: block; height: 560px; color: var(--t); font: 15px/1.4 var(--freshet-font, system-ui, sans-serif);
  }
  @media (prefers-color-scheme: dark) { :host { --name-light: 0.8; --name-colour: 0.1; } }
  :host([hidden]), [hidden] { display: none !important; }
  * { box-sizing: border-box; }
  .room { position: relative; display: flex; flex-direction: column; height: 100%; min-height: 0; overflow: hidden;
    background: var(--s); border: 1px solid var(--l); border-radius: var(--freshet-room-radius, 14px);
    box-shadow: var(--shadow, none); }
  button { font: inherit; color: inherit; cursor: pointer; border: 0; background: none; }
  :focus-visible { outline: 2px solid var(--a); outline-offset: 2px; border-radius: 6px; }
  h2, h3, h4, p { margin: 0; }
  h2 { font-size: 17px; font-weight: 640; }
  h3 { font-size: 15px; font-weight: 640; outline-offset: 4px; }
  h4 { font-size: 14px; font-weight: 600; margin-bottom: 4px; }
  a { color: var(--as); overflow-wrap: anywhere; }
  small { display: block; color: var(--m); font-size: 13px; }
  .icon { width: 19px; height: 19px; flex: none; fill: none; stroke: currentColor; stroke-width: 1.9; stroke-linecap: round; stroke-linejoin: round; }
  .icon.more { stroke-width: 3; }
  .grow { flex: 1; }
  .muted { color: var(--m); }
  .bad { color: var(--d); }
  .numbers { font-variant-numeric: tabular-nums; }
  .hidden-text { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: pre-line; }
  .link { padding: 0; color: var(--as); font-weight: 600; text-decoration: underline; text-underline-offset: 2px; }
  .tool { display: inline-flex; align-items: center; justify-content: center; gap: 5px; min-width: 32px; height: 32px; padding: 0 6px; border-radius: 8px; color: var(--m); flex: none; }
  .tool:hover, .tool[aria-expanded="true"] { background: var(--sunk); color: var(--t); }
  .tool.wide { height: 36px; min-width: 38px; font-weight: 600; font-size: 14px; }

  .head { display: flex; align-items: center; gap: 8px; padding: 6px 8px 6px 16px; min-height: 49px; border-bottom: 1px solid var(--l); font-size: 14px; }
  .pinned { display: flex; gap: 8px; align-items: start; padding: 9px 8px 9px 14px; border-bottom: 1px solid var(--l); background: var(--sunk); font-size: 14px; }
  .pinned .icon { margin-top: 1px; color: var(--as); }
  .pinned p { flex: 1; min-width: 0; max-height: 41px; overflow: hidden; overflow-wrap: anywhere; display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; }
  .pinned p:focus, .pinned:hover p { max-height: 150px; overflow: auto; -webkit-line-clamp: none; }
  .pinned .tool { margin: -4px 0; }
  .pinned .tool .icon { margin: 0; color: inherit; }

  .middle { position: relative; flex: 1; min-height: 0; }
  .list { display: block; position: absolute; inset: 0; overflow: hidden auto; overflow-anchor: none; overscroll-behavior: contain; scrollbar-width: thin; }
  .list:focus-visible { outline-offset: -3px; }
  .empty { position: absolute; inset: 0; display: grid; place-content: center; color: var(--m); pointer-events: none; }
  .newest { position: absolute; left: 50%; bottom: 10px; translate: -50% 0; display: inline-flex; align-items: center; gap: 6px; min-height: 36px; padding: 0 15px 0 11px;
    border-radius: 18px; background: var(--a); color: var(--on); font-weight: 620; font-size: 14px; white-space: nowrap; box-shadow: 0 3px 14px rgb(0 0 0 / 28%); }
  .newest:hover { background: var(--as); }

  .row { position: relative; padding: 4px 16px; overflow-wrap: anywhere; contain: content; outline-offset: -3px; }
  .row:hover, .row:focus-within { background: var(--sunk); }
  .said > .name, .said > .role { margin-right: 2px; }
  .name { font-weight: 640; color: oklch(var(--name-light) var(--name-colour) var(--hue, 190)); }
  .role { display: inline-block; padding: 0 6px; border-radius: 5px; font-size: 11px; line-height: 17px; font-weight: 680; letter-spacing: 0.02em; border: 1px solid currentColor;
    color: var(--m); vertical-align: 1px; white-space: nowrap; }
  .role.host { background: var(--a); border-color: var(--a); color: var(--on); }
  .role.moderator { color: var(--as); }
  .text { unicode-bidi: isolate; white-space: pre-line; }
  .deleted { color: var(--m); font-style: italic; }
  .row.notice { color: var(--m); font-size: 13.5px; padding-block: 6px; text-align: center; }
  .row.announcement { margin: 6px 10px; padding: 8px 12px 9px; border-radius: 10px; background: color-mix(in srgb, var(--a) 11%, transparent); border-left: 3px solid var(--a); }
  .label { display: flex; align-items: center; gap: 5px; font-size: 12.5px; font-weight: 650; color: var(--as); margin-bottom: 1px; }
  .label .icon { width: 15px; height: 15px; }
  .quote { display: flex; align-items: center; gap: 5px; width: 100%; padding: 0; margin-bottom: 1px; color: var(--m); font-size: 13px; text-align: start; }
  .quote .icon { width: 14px; height: 14px; transform: scaleX(-1); }
  .quote span { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  button.quote:hover { color: var(--t); }
  .pending .said { opacity: 0.7; }
  .fate { color: var(--m); font-size: 13px; display: flex; flex-wrap: wrap; gap: 2px 10px; }
  .fate.bad { color: var(--d); }
  .tools { position: absolute; top: 1px; right: 8px; display: flex; align-items: center; padding-left: 9px; border-radius: 8px; background: var(--s); border: 1px solid var(--l); opacity: 0; pointer-events: none; }
  .row:hover .tools, .row:focus-within .tools { opacity: 1; pointer-events: auto; }
  .tools .tool { min-width: 28px; height: 26px; padding: 0 4px; }
  .tools time { font-size: 12px; color: var(--m); margin-right: 3px; font-variant-numeric: tabular-nums; }

  .standing, .told, .closed { padding: 8px 16px; font-size: 14px; border-top: 1px solid var(--l); }
  .standing { display: flex; gap: 10px; align-items: center; justify-content: space-between; background: var(--ws); color: var(--w); font-weight: 550; }
  .standing .link { color: inherit; }
  .standing.ahead { justify-content: flex-start; gap: 7px; background: none; color: var(--m); font-weight: 450; font-size: 13px; padding-block: 5px; }
  .standing.ahead .icon { width: 15px; height: 15px; }
  .told { background: var(--ws); color: var(--w); font-weight: 550; }
  .closed { color: var(--m); padding-block: 13px; }

  freshet-room-composer { display: block; border-top: 1px solid var(--l); padding-bottom: env(safe-area-inset-bottom); }
  freshet-room-composer .closed { border: 0; }
  .reactions { display: flex; justify-content: space-between; padding: 6px 10px 0; }
  .reaction { flex: 1; min-width: 0; height: 36px; border-radius: 9px; font: 20px/1 "Apple Color Emoji", "Segoe UI Emoji", "Noto Color Emoji", sans-serif; padding: 0; }
  .reaction small { font: 620 13px/1 var(--freshet-font, system-ui, sans-serif); color: var(--as); font-size: 13px; }
  .reaction:hover { background: var(--sunk); }
  .write { display: flex; gap: 8px; padding: 6px 12px 4px; align-items: end; }
  textarea, input:not([type="checkbox"]), select { width: 100%; min-height: 42px; padding: 9px 12px; border: 1px solid var(--l); border-radius: 10px; background: var(--sunk); color: var(--t); font: inherit; font-size: 16px; line-height: 22px; }
  textarea { flex: 1; max-height: 112px; resize: none; overflow-y: auto; scrollbar-width: thin; display: block; }
  ::placeholder { color: var(--m); opacity: 1; }
  [aria-invalid="true"] { border-color: var(--d); }
  .button { display: inline-flex; align-items: center; justify-content: center; min-height: 42px; padding: 0 16px; border: 1px solid var(--l); border-radius: 10px; background: var(--s); font-weight: 600; white-space: nowrap; }
  .button:hover { border-color: var(--a); }
  .button.small { min-height: 36px; padding: 0 14px; font-size: 14px; }
  .button.primary { background: var(--a); border-color: var(--a); color: var(--on); }
  .button.primary:hover:not(:disabled) { background: var(--as); }
  .button.danger { border-color: var(--d); color: var(--d); }
  .button:disabled { opacity: 0.5; cursor: not-allowed; }
  .button.send { min-width: 48px; padding: 0 10px; }
  .naming { display: flex; gap: 8px; padding: 8px 12px 0; }
  .replying { display: flex; align-items: center; gap: 6px; padding: 6px 6px 0 14px; color: var(--m); font-size: 13.5px; }
  .replying span { flex: 1; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .replying .icon { width: 16px; height: 16px; }
  .beneath { display: flex; align-items: center; gap: 12px; padding: 0 16px 8px; min-height: 30px; font-size: 13px; color: var(--m); }
  .who { min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .who bdi { color: var(--t); font-weight: 560; }
  .check { display: flex; gap: 9px; align-items: start; cursor: pointer; }
  .check input { accent-color: var(--a); width: 17px; height: 17px; margin: 2px 0 0; flex: none; }
  .beneath .check { align-items: center; gap: 6px; }
  .beneath .check input { margin: 0; }
`;

/** The look of what lies above the messages. */
export const popupStyles = css`
  .panel { position: absolute; inset: 0; display: flex; flex-direction: column; gap: 16px; padding: 8px 16px 20px; overflow: auto; background: var(--s); overscroll-behavior: contain; }
  .panel header { display: flex; align-items: center; justify-content: space-between; min-height: 36px; margin: 0 -8px -6px 0; }
  .field label { display: block; font-size: 14px; font-weight: 600; margin-bottom: 5px; }
  .people { list-style: none; margin: 0; padding: 0; }
  .person { display: flex; align-items: center; justify-content: space-between; gap: 10px; min-height: 38px; overflow-wrap: anywhere; }
  .person + .person { border-top: 1px solid var(--l); }
  .sure { display: flex; flex-wrap: wrap; gap: 8px; padding: 12px; border: 1px solid var(--d); border-radius: 10px; font-size: 14px; }
  .sure p { flex: 0 0 100%; }

  .menu { position: absolute; z-index: 3; right: 12px; min-width: 200px; overflow: auto; padding: 5px; border-radius: 12px; background: var(--s); border: 1px solid var(--l); box-shadow: 0 8px 30px rgb(0 0 0 / 24%); }
  .menu button { display: block; width: 100%; min-height: 38px; padding: 0 12px; border-radius: 8px; text-align: start; font-size: 14.5px; }
  .menu button:hover, .menu button:focus-visible { background: var(--sunk); outline-offset: -2px; }
  .menu .danger { color: var(--d); }

  dialog { width: min(400px, calc(100vw - 32px)); padding: 20px; border: 1px solid var(--l); border-radius: 14px; background: var(--s); color: var(--t); box-shadow: 0 16px 60px rgb(0 0 0 / 35%); }
  dialog::backdrop { background: rgb(6 11 13 / 55%); }
  dialog form { display: grid; gap: 14px; }
  dialog h3 { font-size: 18px; overflow-wrap: anywhere; }
  .buttons { display: flex; justify-content: flex-end; gap: 10px; }

  /* Where an on-screen keyboard leaves little room, messages and the field come first. */
  .room { container-type: size; }
  @container (height < 340px) {
    .head, .reactions, .beneath, .pinned { display: none; }
    .write { padding-bottom: 8px; }
  }
  @media (pointer: coarse) {
    .tools { top: auto; bottom: -1px; }
    .tools .tool { min-width: 40px; height: 36px; }
    .reaction { height: 42px; }
    .menu button { min-height: 44px; }
  }
  @media (prefers-reduced-motion: no-preference) {
    .tools { transition: opacity 0.1s; }
    .reaction { transition: transform 0.12s; }
    .reaction:active { transform: scale(1.3); }
  }
`;
