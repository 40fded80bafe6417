import type { Chat, Line } from "./chat.ts";
import { span } from "./notices.ts";
import type { Command, Person } from "./protocol.ts";

/** One line of a message's or a person's menu. */
export interface MenuItem {
  id: string;
  label: string;
  danger?: boolean;
  /** What it does: a command, or something of the page's own. */
  does: Command | "reply" | "copy" | "ban" | "discard" | "again";
}

/** For how long one may be silenced, in seconds; 0 is for good. */
const MUTES = [60, 600, 3600, 0];

/** What one may do with a message and its author, by role. Pure. */
export function messageMenu(line: Line, chat: Chat): MenuItem[] {
  const items: MenuItem[] = [];
  const said = line.kind !== "notice" && !line.deleted;
  if (said && chat.allows("message")) items.push({ id: "reply", label: "Reply", does: "reply" });
  if (said) items.push({ id: "copy", label: "Copy text", does: "copy" });
  if (said && chat.allows("pin")) {
    const pinned = chat.pinned?.id === line.key;
    const target = pinned ? "" : line.key;
    items.push({ id: "pin", label: pinned ? "Unpin" : "Pin", does: { type: "pin", target } });
  }
  if (said && (line.own ? chat.allows("message") : chat.allows("delete"))) {
    items.push({
      id: "delete",
      label: "Delete message",
      danger: true,
      does: { type: "delete", target: line.key },
    });
  }
  return line.from ? [...items, ...personMenu(line.from, chat)] : items;
}

/** What one may do with a person. Pure. */
export function personMenu(person: Person, chat: Chat): MenuItem[] {
  const target = person.identity;
  // A moderator cannot silence another, and nobody a host.
  const above = person.role === "host" || (person.role === "moderator" && chat.you.role !== "host");
  if (target === "" || target === chat.you.identity || above) return [];
  const items: MenuItem[] = [];
  if (chat.allows("unmute") && chat.mutes.has(target)) {
    items.push({ id: "unmute", label: "Let write again", does: { type: "unmute", target } });
  }
  if (chat.allows("mute")) {
    for (const seconds of MUTES) {
      const label = seconds === 0 ? "Mute for good" : `Mute for ${span(seconds)}`;
      items.push({ id: `mute-${seconds}`, label, does: { type: "mute", target, seconds } });
    }
  }
  if (chat.allows("ban")) items.push({ id: "ban", label: "Ban…", danger: true, does: "ban" });
  return items;
}
