import type { ControlActions } from "./controls.ts";
import type { Director } from "./director.ts";

/** What an arrow goes back or forward, in seconds. */
const STEP = 10;

/** The keys that work while the player has the focus. */
export function playerKey(event: KeyboardEvent, director: Director, act: ControlActions): void {
  const typing = (event.composedPath()[0] as HTMLElement).localName === "input";
  if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
  const keys: Record<string, () => void> = {
    m: () => act.setMuted(!director.stage.video.muted),
    f: act.toggleFull,
    k: act.togglePlay,
    s: act.toggleStats,
    l: act.goLive,
    j: () => director.goTo(director.behind + STEP),
    ArrowLeft: () => director.goTo(director.behind + STEP),
    ArrowRight: () => director.goTo(director.behind - STEP),
  };
  keys[event.key]?.();
}
