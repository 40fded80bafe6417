/** Less than this part of the highest viewport seen at the same width, and a keyboard covers the rest. */
const COVERED = 0.75;

/**
 * Tells the styles how much of the page can be seen above an on-screen
 * keyboard: `--seen` in px, and `data-keyboard` on the root element. Some
 * browsers shrink the page for a keyboard, some only cover it. The result ends
 * it.
 */
export function followKeyboard(): () => void {
  const viewport = window.visualViewport;
  const root = document.documentElement;
  if (!viewport) return () => {};
  const highest = new Map<number, number>();
  const look = () => {
    const width = Math.round(viewport.width);
    const height = Math.round(viewport.height * viewport.scale);
    const most = Math.max(highest.get(width) ?? 0, height);
    highest.set(width, most);
    root.style.setProperty("--seen", `${height}px`);
    const keyboard = height < most * COVERED && matchMedia("(max-width: 860px)").matches;
    root.toggleAttribute("data-keyboard", keyboard);
    // What was scrolled to make room for the keyboard has room now.
    if (keyboard) window.scrollTo(0, 0);
  };
  look();
  viewport.addEventListener("resize", look);
  return () => {
    viewport.removeEventListener("resize", look);
    root.removeAttribute("data-keyboard");
  };
}
