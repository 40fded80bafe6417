import type { Locator, Page } from "playwright-core";
import type { openChromium } from "./browser.ts";

type Browser = Awaited<ReturnType<typeof openChromium>>;

/** Opens the watch page as somebody: on an open server whoever brings the same token is the same person. */
export async function enter(
  browser: Browser,
  base: string,
  stream: string,
  name: string,
  mode = "whep",
): Promise<Page> {
  const page = await browser.context.newPage();
  await page.addInitScript((n) => localStorage.setItem("freshet.guest.name", n), name);
  await page.goto(`${base}/watch/${stream}?mode=${mode}&token=key-of-${encodeURIComponent(name)}`);
  await inRoom(page);
  return page;
}

/** Waits until the page is in the room. */
export async function inRoom(page: Page, timeout = 20_000): Promise<void> {
  await page.locator('freshet-room[data-standing="open"]').waitFor({ timeout });
}

/** Writes a message, as one does. */
export async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId("write").fill(text);
  await page.getByTestId("write").press("Enter");
}

/** The rows whose text is this. */
export function said(page: Page, text: string): Locator {
  return page.getByTestId("message").filter({ has: page.getByTestId("text").getByText(text, { exact: true }) });
}

/** The texts that the list shows, in order, as far as they are drawn. */
export function texts(page: Page): Promise<string[]> {
  return page.getByTestId("text").allTextContents();
}

/** Opens the menu of a message and chooses from it, by the mouse. */
export async function choose(page: Page, row: Locator, item: string): Promise<void> {
  await row.hover();
  await row.getByTestId("more").click();
  await page.getByTestId(`menu-${item}`).click();
}

/** When a message came into view, and where the picture was then. */
export interface Appearance {
  text: string;
  /** ms since 1970 by the page's clock. */
  at: number;
  arrived: number;
  /** The picture's capture time at that moment, and the message's; ms since 1970. */
  captured: number | undefined;
  mediaTime: number;
}

/** Notes every message that comes into view from now on. */
export async function noteMessages(page: Page): Promise<void> {
  await page.evaluate(() => {
    interface Line {
      key: string;
      text: string;
      arrived: number;
      mediaTime: number;
    }
    const room = document.querySelector("freshet-room") as unknown as { model: { chat: { line(k: string): Line } } };
    const player = document.querySelector("freshet-player") as unknown as { captured: number | undefined };
    const notes: Appearance[] = [];
    Object.assign(window, { appeared: notes });
    const seen = new Set<string>();
    const list = document.querySelector("freshet-room")?.shadowRoot?.querySelector("freshet-room-list");
    const look = () => {
      for (const row of list?.querySelectorAll<HTMLElement>("[data-key]") ?? []) {
        const key = row.dataset.key ?? "";
        const line = room.model.chat.line(key);
        if (seen.has(key) || !line) continue;
        seen.add(key);
        const { text, arrived, mediaTime } = line;
        notes.push({ text, arrived, mediaTime, at: Date.now(), captured: player.captured });
      }
    };
    if (list) new MutationObserver(look).observe(list, { childList: true, subtree: true });
    look();
  });
}

/** How a message came into view, once it has. */
export async function appearance(page: Page, text: string): Promise<Appearance> {
  await said(page, text).first().waitFor();
  const all = await page.evaluate(() => (window as unknown as { appeared: Appearance[] }).appeared);
  const found = all.find((a) => a.text === text);
  if (!found) throw new Error(`${text} was not noted`);
  return found;
}

/** Says things over a bare WebSocket, as no page of ours would, and waits for the answers. Runs in a page of that origin. */
export async function sayRaw(
  page: Page,
  stream: string,
  who: Record<string, string>,
  commands: object[],
): Promise<object[]> {
  return await page.evaluate(
    ({ stream, who, commands }) =>
      new Promise<object[]>((resolve, reject) => {
        const query = new URLSearchParams(who);
        const socket = new WebSocket(`${location.origin.replace("http", "ws")}/rooms/${stream}/ws?${query}`);
        const answers: object[] = [];
        socket.onclose = (e) => reject(new Error(`closed with ${e.code}`));
        socket.onmessage = ({ data }) => {
          const frame = JSON.parse(data);
          if (frame.type === "hello") {
            commands.forEach((command, i) => {
              socket.send(JSON.stringify({ id: `raw-${i}`, ...command }));
            });
          }
          if (frame.type === "ack" || frame.type === "refused") answers.push(frame);
          if (answers.length < commands.length) return;
          socket.onclose = null;
          socket.close();
          resolve(answers);
        };
      }),
    { stream, who, commands },
  );
}
