import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { contrasts, unnamed } from "./support/access.ts";
import { openChromium } from "./support/browser.ts";
import { quantile } from "./support/clock.ts";
import { FakeRoom } from "./support/fakeroom.ts";
import { inRoom, said, say } from "./support/rooms.ts";
import { Server } from "./support/server.ts";

const MODERATION = [
  "message",
  "react",
  "announce",
  "pin",
  "delete",
  "clear",
  "settings",
  "mute",
  "unmute",
  "ban",
  "unban",
];

let server: Server;
let browser: Awaited<ReturnType<typeof openChromium>>;

beforeAll(async () => {
  server = await Server.start();
  browser = await openChromium();
});

afterEach(async () => {
  for (const page of browser.context.pages()) await page.close();
});

afterAll(async () => {
  await browser.close();
  expect(await server.stop(), server.log).toBe(0);
});

/** A watch page without a broadcaster whose room is the test's. */
async function open(role?: string, may?: string[], prepare?: (page: Page) => Promise<void>) {
  const page = await browser.context.newPage();
  const room = await FakeRoom.of(page, role, may);
  await prepare?.(page);
  await page.goto(`${server.base}/watch/fake`);
  await inRoom(page);
  return { page, room };
}

const WORDS = "The sound is a little low on this side could you turn it up please thanks a lot".split(" ");
const sentence = (n: number) => `${n}: ${WORDS.slice(0, 1 + ((n * 7) % WORDS.length)).join(" ")}`;

test("ten thousand messages, twenty more a second, and it scrolls", async () => {
  const { page, room } = await open();
  for (let i = 0; i < 10_000; i += 500) {
    room.events(...Array.from({ length: 500 }, (_, n) => room.entry(sentence(i + n))));
  }
  await said(page, sentence(9999)).waitFor();
  const list = page.getByTestId("list");
  expect(await list.locator("[data-key]").count()).toBeLessThan(150);

  let next = 10_000;
  const talk = setInterval(() => room.events(room.entry(sentence(next++))), 50);
  const cdp = await page.context().newCDPSession(page);
  // Processor time of the page's thread, whatever else the machine does.
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const spent = async () => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    const of = (name: string) => 1000 * (metrics.find((m) => m.name === name)?.value ?? Number.NaN);
    return {
      task: of("TaskDuration"),
      script: of("ScriptDuration"),
      layout: of("LayoutDuration"),
      style: of("RecalcStyleDuration"),
    };
  };
  const scroll = (step: number) =>
    list.evaluate(
      (element, by) =>
        new Promise<{ frames: number[]; blank: number }>((resolve) => {
          const frames: number[] = [];
          let blank = 0;
          let last = performance.now();
          const frame = (now: number) => {
            frames.push(now - last);
            last = now;
            // What is seen has to be rows, not the space around them.
            const { left, top, bottom } = element.getBoundingClientRect();
            const root = element.getRootNode() as ShadowRoot;
            for (const y of [top + 5, (top + bottom) / 2, bottom - 60]) {
              if (root.elementFromPoint(left + 30, y)?.classList.contains("space")) blank++;
            }
            if (frames.length > 180) resolve({ frames: frames.slice(1), blank });
            else {
              element.scrollTop += by;
              requestAnimationFrame(frame);
            }
          };
          requestAnimationFrame(frame);
        }),
      step,
    );
  const began = await spent();
  const still = await scroll(0);
  const before = await spent();
  const up = await scroll(-90);
  const down = await scroll(60);
  const after = await spent();
  clearInterval(talk);
  const per = (from: typeof began, to: typeof began, frames: number) =>
    `${((to.task - from.task) / frames).toFixed(1)} ms (script ${((to.script - from.script) / frames).toFixed(1)}, style ${((to.style - from.style) / frames).toFixed(1)}, layout ${((to.layout - from.layout) / frames).toFixed(1)})`;
  const frames = up.frames.length + down.frames.length;
  const p95 = (...all: number[]) => quantile(all, 0.95);
  console.log(
    `work per frame at rest ${per(began, before, still.frames.length)}, scrolling ${per(before, after, frames)}; frames p95 at rest ` +
      `${p95(...still.frames).toFixed(1)} ms, up ${p95(...up.frames).toFixed(1)}, down ${p95(...down.frames).toFixed(1)}`,
  );
  expect(up.blank + down.blank).toBe(0);
  const ours = (m: typeof began) => m.script + m.style + m.layout;
  expect((ours(after) - ours(before)) / frames).toBeLessThan(8);
  // A machine that has other things to do drops frames at rest, too.
  if (p95(...still.frames) < 20) expect(quantile([...up.frames, ...down.frames], 0.5)).toBeLessThan(18);

  // What one reads stays where it is while others talk.
  await list.evaluate((element) => {
    element.scrollTop = 40_000;
  });
  await page.getByTestId("newest").waitFor();
  const seen = () =>
    list.evaluate((element) => {
      const { top } = element.getBoundingClientRect();
      const row = [...element.querySelectorAll<HTMLElement>("[data-key]")].find(
        (r) => r.getBoundingClientRect().top >= top,
      );
      return `${row?.dataset.key} ${Math.round((row?.getBoundingClientRect().top ?? 0) - top)}`;
    });
  const unread = async () => Number.parseInt((await page.getByTestId("newest").textContent())?.trim() ?? "", 10);
  await expect.poll(unread).toBeGreaterThan(0);
  const place = await seen();
  const others = await unread();
  room.events(...Array.from({ length: 30 }, () => room.entry(sentence(next++))));
  await expect.poll(unread).toBe(others + 30);
  expect(await seen()).toBe(place);
  await page.getByTestId("newest").click();
  await said(page, sentence(next - 1)).waitFor();
  await page.getByTestId("newest").waitFor({ state: "detached" });
});

test("a phone: the picture above, the chat below, the field above the keyboard", async () => {
  const { page, room } = await open("viewer", undefined, (p) => p.setViewportSize({ width: 390, height: 844 }));
  room.events(...Array.from({ length: 60 }, (_, n) => room.entry(`${sentence(n)} ${"w".repeat(n * 3)}`)));
  await page.getByTestId("message").last().waitFor();
  const box = async (id: string) => (await page.getByTestId(id).boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  const [player, list, write] = [await box("player"), await box("list"), await box("write")];
  expect(player.width).toBe(390);
  expect(list.y).toBeGreaterThanOrEqual(player.y + player.height);
  expect(list.height).toBeGreaterThan(200);
  expect(write.y + write.height).toBeLessThanOrEqual(844);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  for (const id of ["send", "people-button", "settings-button"]) {
    expect((await box(id)).height, id).toBeGreaterThanOrEqual(36);
    expect((await box(id)).width, id).toBeGreaterThanOrEqual(36);
  }

  // The keyboard comes.
  await page.getByTestId("write").click();
  await page.setViewportSize({ width: 390, height: 480 });
  await page.locator("html[data-keyboard]").waitFor({ state: "attached" });
  await expect.poll(async () => (await box("write")).y + (await box("write")).height).toBeLessThanOrEqual(480);
  expect((await box("list")).height).toBeGreaterThan(120);
  expect((await box("player")).height).toBeGreaterThan(100);
  await say(page, "Typed on a phone");
  await said(page, "Typed on a phone").waitFor();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.locator("html:not([data-keyboard])").waitFor({ state: "attached" });
});

for (const scheme of ["light", "dark"] as const) {
  test(`everything can be read and has a name, ${scheme}`, async () => {
    const { page, room } = await open("moderator", MODERATION, (p) =>
      p.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" }),
    );
    const first = room.entry("The first, with https://example.org/");
    room.events(
      first,
      room.entry("An answer", { replyTo: first.id }),
      room.entry("Hear, hear", { kind: "announcement" }),
    );
    // Names have a colour each.
    for (let i = 0; i < 40; i++) room.events(room.entry(`As number ${i}`));
    room.events(room.entry("", { kind: "pinned", target: first.id }), room.entry("gone"));
    room.events(room.entry("", { kind: "deleted", target: "e45" }), room.entry("", { kind: "cleared-not-known" }));
    room.send({ type: "state", stream: { state: "live", since: 1, viewers: 3 } });
    room.send({ type: "state", stream: { state: "ended", since: 2, viewers: 3 } });
    await page.locator(".notice").waitFor();
    const check = async (where: string) => {
      for (const { text, ratio, needed } of await page.evaluate(contrasts)) {
        expect(ratio, `${where}: ${text}`).toBeGreaterThanOrEqual(needed);
      }
      expect(await page.evaluate(unnamed), where).toEqual([]);
    };
    await check("the newest");
    await page.getByTestId("list").evaluate((list) => {
      list.scrollTop = 0;
    });
    await said(page, "An answer").waitFor();
    await check("the oldest");
    await page.getByTestId("people-button").click();
    await check("people");
    await page.getByTestId("settings-button").click();
    await page.getByTestId("clear").click();
    await check("settings");
    await page.keyboard.press("Escape");
    await said(page, "An answer").hover();
    await said(page, "An answer").getByTestId("more").click();
    await check("menu");
    await page.getByTestId("menu-ban").click();
    await page.getByTestId("ban-sure").waitFor();
    await check("ban");
  });
}

test("the keyboard reaches everything, and focus comes back", async () => {
  const { page, room } = await open("moderator", MODERATION);
  room.events(
    ...Array.from({ length: 40 }, (_, n) =>
      room.entry(`Line ${n}`, { from: { identity: "bob", name: "Bob", role: "viewer" } }),
    ),
  );
  await said(page, "Line 39").waitFor();
  const focused = () =>
    page.evaluate(() => {
      const element = document.querySelector("freshet-room")?.shadowRoot?.activeElement as HTMLElement | null;
      return element?.dataset.key ?? element?.dataset.testid ?? element?.textContent?.trim();
    });
  await page.getByTestId("list").focus();
  for (let i = 0; i < 30; i++) await page.keyboard.press("ArrowUp");
  await expect.poll(focused).toBe("e11");
  await page.keyboard.press("ArrowDown");
  await expect.poll(focused).toBe("e12");
  await page.keyboard.press("Enter");
  await expect.poll(focused).toBe("menu-reply");
  await page.keyboard.press("End");
  await expect.poll(focused).toBe("menu-ban");
  await page.keyboard.press("Escape");
  await expect.poll(focused).toBe("more");
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await expect.poll(focused).toBe("menu-delete");
  await page.keyboard.press("Enter");
  await expect
    .poll(() => room.received.map((c) => ({ ...c, id: "" })))
    .toEqual([{ type: "delete", target: "e12", id: "" }]);

  await page.getByTestId("settings-button").press("Enter");
  await expect.poll(focused).toBe("Settings");
  await page.keyboard.press("Escape");
  await expect.poll(focused).toBe("settings-button");
});

test("screen readers hear of messages, but not of each", async () => {
  const { page, room } = await open();
  const region = page.locator("freshet-room .announcer");
  expect(await region.getAttribute("aria-live")).toBe("polite");
  expect(await page.getByTestId("list").getAttribute("role")).toBe("log");
  await region.evaluate((element) => {
    const told: string[] = [];
    Object.assign(window, { told });
    new MutationObserver(() => told.push(element.textContent ?? "")).observe(element, { childList: true });
  });
  room.events(room.entry("Once", { from: { identity: "a", name: "Ann", role: "viewer" } }));
  const told = () => page.evaluate(() => (window as unknown as { told: string[] }).told);
  await expect.poll(told).toEqual(["Ann: Once"]);
  for (let i = 0; i < 40; i++) room.events(room.entry(`Many ${i}`));
  await expect.poll(async () => (await told()).length, { timeout: 10_000 }).toBe(2);
  expect((await told())[1]).toMatch(/^40 new messages\. The last: Person \d+: Many 39$/);
});

test("reactions float over the picture, and stand still where motion is unwanted", async () => {
  const { page, room } = await open("viewer", undefined, (p) => p.emulateMedia({ reducedMotion: "reduce" }));
  const moves = (p: Page) =>
    p
      .locator("freshet-reactions span")
      .first()
      .evaluate((span) => {
        const frames = (span.getAnimations()[0]?.effect as KeyframeEffect | undefined)?.getKeyframes() ?? [];
        return frames.some((f) => "transform" in f && f.transform !== "none");
      });
  room.send({ type: "state", reactions: [{ emoji: "🎉", count: 500 }] });
  await page.locator("freshet-reactions span").first().waitFor({ state: "attached" });
  expect(await moves(page)).toBe(false);
  expect(await page.locator("freshet-reactions span").first().textContent()).toContain("×500");
  expect(await page.locator("freshet-reactions span").count()).toBeLessThanOrEqual(24);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await page.locator("freshet-reactions span").first().waitFor({ state: "detached" });
  await page.getByTestId("react").nth(1).click();
  await page.locator("freshet-reactions span").first().waitFor({ state: "attached" });
  expect(await moves(page)).toBe(true);
});

test("the chat is loaded after the player is under way", async () => {
  const page = await browser.context.newPage();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${server.base}/watch/fake`);
  await inRoom(page);
  const session = asked.findIndex((path) => path.startsWith("/whep/"));
  const chat = asked.findIndex((path) => /\/assets\/room-/.test(path));
  expect(session).toBeGreaterThan(-1);
  expect(chat).toBeGreaterThan(session);
});
