/** Text and what it stands on. */
export interface Contrast {
  text: string;
  ratio: number;
  /** What WCAG 2.2 asks for at level AA. */
  needed: number;
}

/** Runs in the page: the contrast of every text in the room that can be seen. */
export function contrasts(): Contrast[] {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const root = document.querySelector("freshet-room")?.shadowRoot;
  if (!context || !root) throw new Error("no room");
  const rgba = (colour: string): [number, number, number, number] => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r = 0, g = 0, b = 0, a = 0] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const luminance = (c: number[]) => {
    const [r = 0, g = 0, b = 0] = c.map((v) => {
      const s = v / 255;
      return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = (top: number[], below: number[], alpha: number) =>
    [0, 1, 2].map((i) => (top[i] ?? 0) * alpha + (below[i] ?? 0) * (1 - alpha));
  const parentOf = (e: Element): Element | null =>
    e.assignedSlot ?? e.parentElement ?? (e.getRootNode() as ShadowRoot).host ?? null;
  const background = (element: Element): number[] => {
    const layers: [number, number, number, number][] = [];
    for (let e: Element | null = element; e; e = parentOf(e)) {
      const layer = rgba(getComputedStyle(e).backgroundColor);
      if (layer[3] > 0) layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce<number[]>((below, layer) => over(layer, below, layer[3]), [255, 255, 255]);
  };
  const opacity = (element: Element): number => {
    let all = 1;
    for (let e: Element | null = element; e; e = parentOf(e)) all *= Number(getComputedStyle(e).opacity);
    return all;
  };
  const found: Contrast[] = [];
  for (const element of root.querySelectorAll("*")) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3 && n.textContent?.trim());
    const seen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    const off = element.closest(":disabled, .hidden-text, option");
    if (text.length === 0 || !seen || off) continue;
    const style = getComputedStyle(element);
    const below = background(element);
    const colour = rgba(style.color);
    const [a, b] = [over(colour, below, colour[3] * opacity(element)), below].map(luminance) as [number, number];
    const size = Number.parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.push({ text: text.map((n) => n.textContent?.trim()).join(" "), ratio, needed: large ? 3 : 4.5 });
  }
  return found;
}

/** Runs in the page: what one can press or fill in the room and that has no name for a screen reader, or a wrong tree. */
export function unnamed(): string[] {
  const root = document.querySelector("freshet-room")?.shadowRoot;
  if (!root) throw new Error("no room");
  const wrong: string[] = [];
  const name = (e: Element) =>
    e.getAttribute("aria-label") ||
    (e.getAttribute("aria-labelledby") && root.getElementById(e.getAttribute("aria-labelledby") ?? "")?.textContent) ||
    [...((e as HTMLInputElement).labels ?? [])].map((l) => l.textContent).join("") ||
    e.textContent ||
    "";
  for (const e of root.querySelectorAll(
    "button, input, textarea, select, a, [role=menu], [role=log], dialog, section",
  )) {
    if (e.checkVisibility() && !name(e).trim()) wrong.push(`without a name: ${e.outerHTML.slice(0, 90)}`);
  }
  for (const e of root.querySelectorAll("[role=listitem]"))
    if (!e.closest("[role=list]")) wrong.push("listitem outside");
  for (const e of root.querySelectorAll("[role=article]"))
    if (!e.getAttribute("aria-label")) wrong.push("article without a name");
  for (const e of root.querySelectorAll("[role=menuitem]"))
    if (!e.closest("[role=menu]")) wrong.push("menuitem outside");
  for (const e of root.querySelectorAll("[id]")) {
    if (root.querySelectorAll(`[id="${e.id}"]`).length > 1) wrong.push(`two of ${e.id}`);
  }
  for (const e of root.querySelectorAll("svg"))
    if (e.getAttribute("aria-hidden") !== "true") wrong.push("svg is read out");
  return wrong;
}
