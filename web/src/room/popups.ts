import { html, nothing, type TemplateResult } from "lit";
import type { MenuItem } from "./menu.ts";
import type { Command, Person } from "./protocol.ts";

/** An open menu. */
export interface OpenMenu {
  title: string;
  items: readonly MenuItem[];
  /** Its place in the room, in px from the upper or the lower edge, and how high it may be. */
  top: number | undefined;
  bottom: number | undefined;
  height: number;
  /** What gets the focus back. */
  from: HTMLElement;
}

/** Where a menu of so many items goes that belongs to a button: below it, above it, or where it fits at all. */
export function placeOf(
  button: DOMRect,
  room: DOMRect,
  items: number,
): Pick<OpenMenu, "top" | "bottom" | "height"> {
  const needed = items * 46 + 12;
  const [below, above] = [room.bottom - button.bottom - 8, button.top - room.top - 8];
  if (below >= needed) return { top: button.bottom - room.top, bottom: undefined, height: below };
  if (above >= needed) return { top: undefined, bottom: room.bottom - button.top, height: above };
  return { top: Math.max(8, room.height - 8 - needed), bottom: undefined, height: room.height - 16 };
}

/** A menu that arrow keys go through. */
export function menuView(
  menu: OpenMenu,
  choose: (item: MenuItem) => void,
  close: () => void,
): TemplateResult {
  const edge = menu.top === undefined ? `bottom: ${menu.bottom}px` : `top: ${menu.top}px`;
  const place = `${edge}; max-height: ${menu.height}px`;
  return html`<div class="menu" role="menu" aria-label=${menu.title} data-testid="menu" .style=${place} @keydown=${(e: KeyboardEvent) => menuKey(e, close)}>
    ${menu.items.map(
      (item) =>
        html`<button role="menuitem" tabindex="-1" class=${item.danger ? "danger" : ""} data-testid="menu-${item.id}" @click=${() => choose(item)}>${item.label}</button>`,
    )}
  </div>`;
}

/** Arrow keys, Home, End and Escape, as menus have them. */
function menuKey(event: KeyboardEvent, close: () => void): void {
  const items = [...(event.currentTarget as HTMLElement).querySelectorAll("button")];
  const at = items.findIndex((item) => item.matches(":focus"));
  const to: Record<string, number> = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  };
  const next = to[event.key];
  if (event.key === "Escape" || event.key === "Tab") close();
  else if (next !== undefined) items[next]?.focus();
  else return;
  if (event.key !== "Tab") event.preventDefault();
  event.stopPropagation();
}

const LENGTHS: [number, string][] = [
  [3600, "1 hour"],
  [86_400, "1 day"],
  [604_800, "1 week"],
  [0, "For good"],
];

/** Asks how to ban somebody. The owner opens it by showModal. */
export function banDialog(person: Person | undefined, ban: (command: Command) => void): TemplateResult {
  const submit = (event: Event) => {
    const form = event.target as HTMLFormElement;
    const data = new FormData(form);
    const pressed = (event as SubmitEvent).submitter as HTMLButtonElement | null;
    if (pressed?.value !== "ban" || !person) return;
    const seconds = Number(data.get("seconds"));
    const reason = String(data.get("reason") ?? "").trim();
    const address = data.get("address") === "on";
    ban({ type: "ban", target: person.identity, seconds, address, ...(reason ? { reason } : {}) });
  };
  return html`<dialog class="ban" aria-labelledby="ban-title" data-testid="ban-dialog">
    ${
      person
        ? html`<form method="dialog" @submit=${submit}>
      <h3 id="ban-title">Ban <bdi>${person.name}</bdi></h3>
      <p class="muted">They leave the room, and the stream stops for them.</p>
      <div class="field"><label for="ban-seconds">How long</label>
        <select id="ban-seconds" name="seconds" data-testid="ban-seconds">${LENGTHS.map(([s, label]) => html`<option value=${s} ?selected=${s === 86_400}>${label}</option>`)}</select></div>
      <div class="field"><label for="ban-reason">Reason, for moderators</label>
        <input id="ban-reason" name="reason" maxlength="200" dir="auto" autocomplete="off" /></div>
      <label class="check"><input type="checkbox" name="address" data-testid="ban-address" /> <span>Their network address, too<small>Others who share it cannot come in either.</small></span></label>
      <div class="buttons"><button class="button small" value="no">Cancel</button>
        <button class="button danger small" value="ban" data-testid="ban-sure">Ban</button></div>
    </form>`
        : nothing
    }
  </dialog>`;
}
