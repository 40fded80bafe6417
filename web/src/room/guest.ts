/** What a visitor has chosen for the chat, kept in this browser. */

const NAME = "freshet.guest.name";
const TIMED = "freshet.chat.timed";
const memory = new Map<string, string>();

/** The name that the visitor has chosen; "" before. */
export function guestName(): string {
  return load(NAME) ?? "";
}

export function saveGuestName(name: string): void {
  save(NAME, name);
}

/** Whether messages wait for their picture, as the visitor chose; they do by default. */
export function loadTimed(): boolean {
  return load(TIMED) !== "no";
}

export function saveTimed(timed: boolean): void {
  save(TIMED, timed ? "yes" : "no");
}

function load(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? memory.get(key);
  } catch {
    // Storage is closed to some embedded frames.
    return memory.get(key);
  }
}

function save(key: string, value: string): void {
  memory.set(key, value);
  try {
    localStorage.setItem(key, value);
  } catch {
    // It holds for this visit.
  }
}
