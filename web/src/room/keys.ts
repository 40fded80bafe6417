import type { Line } from "./chat.ts";
import type { RoomList } from "./list.ts";

/** Arrow keys go from message to message, Enter opens a message's menu. */
export function listKey(event: KeyboardEvent, list: RoomList<Line>, items: readonly Line[]): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const row = (event.target as HTMLElement).closest<HTMLElement>("[data-key]");
  if (event.key === "Enter" && row === event.target) {
    row?.querySelector<HTMLElement>('[aria-haspopup="menu"]')?.click();
  } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    const step = event.key === "ArrowUp" ? -1 : 1;
    const at = row ? items.findIndex((line) => line.key === row.dataset.key) : items.length;
    const next = items[Math.max(0, Math.min(items.length - 1, at + step))];
    if (next) void list.reveal(next.key).then((element) => element?.focus({ preventScroll: true }));
  } else return;
  event.preventDefault();
}
