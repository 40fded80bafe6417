import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openChromium } from "./support/browser.ts";
import { Gate } from "./support/gate.ts";
import { goLive, picture, playerState } from "./support/pages.ts";
import { appearance, choose, enter, inRoom, noteMessages, said, say, sayRaw, texts } from "./support/rooms.ts";
import { mintToken, Server } from "./support/server.ts";

let server: Server;
let browser: Awaited<ReturnType<typeof openChromium>>;
let studio: Page;

beforeAll(async () => {
  server = await Server.start();
  browser = await openChromium();
  studio = await goLive(browser, server, "talk");
  await inRoom(studio);
});

afterEach(async () => {
  for (const page of browser.context.pages()) if (page !== studio) await page.close();
});

afterAll(async () => {
  await browser.close();
  expect(await server.stop(), server.log).toBe(0);
});

test("two viewers and the host talk, answer and react", async () => {
  const ann = await enter(browser, server.base, "talk", "Ann");
  const bob = await enter(browser, server.base, "talk", "Bob");
  await say(ann, "Hello from Ann");
  for (const page of [ann, bob, studio]) await said(page, "Hello from Ann").waitFor();
  expect(await said(bob, "Hello from Ann").locator(".name").textContent()).toBe("Ann");

  await choose(bob, said(bob, "Hello from Ann"), "reply");
  await bob.getByTestId("replying").waitFor();
  await say(bob, "Hello back");
  expect(await said(ann, "Hello back").locator(".quote").textContent()).toContain("Hello from Ann");
  await bob.getByTestId("replying").waitFor({ state: "detached" });

  // The host's line stands out; the badge is that of the role.
  await studio.getByTestId("announce").check();
  await say(studio, "We begin");
  const announcement = said(ann, "We begin");
  await announcement.and(ann.locator(".announcement")).waitFor();
  expect(await announcement.locator(".role").textContent()).toBe("Host");

  await bob.getByTestId("react").first().click();
  await ann.locator("freshet-reactions span").first().waitFor();

  await ann.getByTestId("people-button").click();
  const people = ann.getByTestId("people").locator("li");
  await people.filter({ hasText: "Bob" }).waitFor();
  expect(await people.count()).toBe(3);
  await ann.getByTestId("close-panel").click();
  await studio.getByTestId("watching").filter({ hasText: "2 watching" }).waitFor();

  await ann.getByTestId("rename").click();
  await ann.getByTestId("name").fill("Annika");
  await ann.getByTestId("use-name").click();
  await ann.locator(".who").filter({ hasText: "Annika" }).waitFor();
  await say(ann, "Called otherwise");
  expect(await said(bob, "Called otherwise").locator(".name").textContent()).toBe("Annika");

  // Who comes later finds it all.
  const late = await enter(browser, server.base, "talk", "Late");
  await said(late, "Hello back").waitFor();
  expect((await texts(late)).filter((t) => t === "Hello from Ann")).toHaveLength(1);
});

test("nobody is told of a picture before it is seen", async () => {
  const near = await enter(browser, server.base, "talk", "Near");
  const far = await enter(browser, server.base, "talk", "Far", "hls");
  await playerState(near, "live");
  await far.locator('freshet-player[data-state="live"][data-path="hls"]').waitFor({ timeout: 30_000 });
  const captured = (page: Page) =>
    page.locator("freshet-player").evaluate((p) => (p as unknown as { captured?: number }).captured);
  for (const page of [near, far]) await expect.poll(() => captured(page), { timeout: 15_000 }).toBeDefined();
  for (const page of [near, far]) await noteMessages(page);

  await say(near, "What a goal!");
  const [there, here] = [await appearance(far, "What a goal!"), await appearance(near, "What a goal!")];
  console.log(`a message shows ${there.at - here.at} ms later by LL-HLS`);
  expect(there.mediaTime).toBeGreaterThan(0);
  expect(there.captured).toBeGreaterThanOrEqual(there.mediaTime);

  // About what is happening this moment, which nobody can have seen yet.
  const now = await near.evaluate(() => Date.now());
  await sayRaw(near, "talk", { token: "quick", name: "Quick" }, [{ type: "message", text: "Now!", mediaTime: now }]);
  const late = await appearance(far, "Now!");
  console.log(
    `what is said of this moment waits for ${late.at - late.arrived} ms; the picture is ${Math.round((late.captured ?? 0) - now)} ms past it then`,
  );
  expect(late.mediaTime).toBe(now);
  expect(late.captured).toBeGreaterThanOrEqual(now);
  // It did wait, and no longer than needed.
  expect(late.at - late.arrived).toBeGreaterThan(100);
  expect((late.captured ?? 0) - now).toBeLessThan(1500);
  const soon = await appearance(near, "Now!");
  expect(soon.at - soon.arrived).toBeLessThan(300);

  // A WHEP viewer waits for nothing, and an answer from behind does not either.
  await say(far, "Yes, great");
  const answer = await appearance(near, "Yes, great");
  expect(answer.at - answer.arrived).toBeLessThan(300);

  await far.getByTestId("settings-button").click();
  await far.getByTestId("timed").uncheck();
  await far.getByTestId("close-panel").click();
  const moment = await near.evaluate(() => Date.now());
  await sayRaw(near, "talk", { token: "hasty", name: "Hasty" }, [
    { type: "message", text: "At once!", mediaTime: moment },
  ]);
  const early = await appearance(far, "At once!");
  expect(early.at - early.arrived).toBeLessThan(300);
  expect(early.captured).toBeLessThan(moment);
  // The choice is kept for all pages of this browser.
  await far.getByTestId("settings-button").click();
  await far.getByTestId("timed").check();
  await far.getByTestId("close-panel").click();
});

test("who goes back in time has the chat of then", async () => {
  const page = await enter(browser, server.base, "talk", "Back", "auto");
  await page.locator('freshet-player[data-state="live"][data-path="whep"]').waitFor({ timeout: 30_000 });
  const captured = () =>
    page.locator("freshet-player").evaluate((p) => (p as unknown as { captured?: number }).captured ?? 0);
  await expect.poll(captured, { timeout: 15_000 }).toBeGreaterThan(0);
  await say(page, "Said just now");
  await said(page, "Said just now").waitFor();
  // There must be a past to go to.
  const bar = page.getByTestId("seek");
  const reaches = async () => {
    await page.mouse.move(200 + Math.random() * 100, 200);
    return (await bar.count()) > 0 && Number(await bar.getAttribute("min"));
  };
  await expect.poll(reaches, { timeout: 40_000, interval: 500 }).toBeLessThan(-15);
  await say(page, "Said since");
  await said(page, "Said since").waitFor();
  const before = await captured();
  await page
    .locator("freshet-player")
    .evaluate((p, at) => (p as unknown as { seek(t: number): void }).seek(at), before - 9000);
  await said(page, "Said since").waitFor({ state: "detached" });
  // The picture gets there by playing on.
  await said(page, "Said since").waitFor();
  expect(await captured()).toBeGreaterThan(before - 500);
});

test("who is banned sees it, loses the picture and stays out", async () => {
  const troll = await enter(browser, server.base, "talk", "Troll");
  const other = await enter(browser, server.base, "talk", "Other");
  await playerState(troll, "live");
  await say(troll, "Buy my watches");
  await choose(studio, said(studio, "Buy my watches"), "delete");
  await other.locator(".deleted").waitFor();
  expect(await said(other, "Buy my watches").count()).toBe(0);

  await say(troll, "Cheap watches");
  await choose(studio, said(studio, "Cheap watches"), "mute-60");
  await troll.getByTestId("closed").filter({ hasText: "You cannot write for" }).waitFor();
  await choose(studio, said(studio, "Cheap watches"), "unmute");
  await troll.getByTestId("write").waitFor();

  await choose(studio, said(studio, "Cheap watches"), "ban");
  await studio.getByTestId("ban-sure").click();
  await troll.getByTestId("gone").filter({ hasText: "banned" }).waitFor();
  expect(await troll.locator("freshet-player").count()).toBe(0);
  await troll.reload();
  await troll.getByTestId("gone").waitFor();
  await troll.getByTestId("standing").filter({ hasText: "banned" }).waitFor();
  await playerState(other, "live");

  await studio.getByTestId("settings-button").click();
  await studio.getByTestId("bans").filter({ hasText: "Troll" }).waitFor();
  await studio.getByTestId("unban").click();
  await studio.getByTestId("bans").waitFor({ state: "detached" });
  await studio.getByTestId("close-panel").click();
  await troll.reload();
  await inRoom(troll);
  await playerState(troll, "live");
});

test("a banned viewer's media ends, too", async () => {
  const viewer = await enter(browser, server.base, "talk", "Media");
  await playerState(viewer, "live");
  expect((await picture(viewer)).motion).toBeGreaterThan(0);
  await say(viewer, "About to go");
  // The page stays as it is: what ends is what the server ends.
  await viewer.evaluate(() => document.querySelector("freshet-room")?.remove());
  await choose(studio, said(studio, "About to go"), "ban");
  await studio.getByTestId("ban-sure").click();
  await playerState(viewer, "error");
});

test("slow mode, the lock, pinning and clearing", async () => {
  const ann = await enter(browser, server.base, "quiet", "Slow Ann");
  const studio = await browser.page(`${server.base}/broadcast/quiet`);
  await inRoom(studio);
  await studio.getByTestId("settings-button").click();
  await studio.getByTestId("slow").selectOption("5");
  await ann.locator(".notice").filter({ hasText: "Slow mode" }).last().waitFor();
  await say(ann, "The first");
  await ann.getByTestId("wait").waitFor();
  expect(await ann.getByTestId("send").isDisabled()).toBe(true);
  await ann.getByTestId("wait").waitFor({ state: "detached", timeout: 7000 });
  await say(ann, "The second");
  await said(studio, "The second").waitFor();

  await studio.getByTestId("slow").selectOption("0");
  await studio.getByTestId("lock").check();
  await ann.getByTestId("closed").filter({ hasText: "locked" }).waitFor();
  await studio.getByTestId("lock").uncheck();
  await ann.getByTestId("write").waitFor();
  await studio.getByTestId("close-panel").click();

  await choose(studio, said(studio, "The second"), "pin");
  await ann.getByTestId("pinned").filter({ hasText: "The second" }).waitFor();
  await studio.getByTestId("unpin").click();
  await ann.getByTestId("pinned").waitFor({ state: "detached" });

  await studio.getByTestId("settings-button").click();
  await studio.getByTestId("clear").click();
  await studio.getByTestId("clear-sure").click();
  await studio.getByTestId("close-panel").click();
  await ann.locator(".notice").filter({ hasText: "cleared the chat" }).waitFor();
  expect(await texts(ann)).toEqual([]);
});

const HOSTILE = [
  "<script>window.hacked = 1</script>",
  '<img src="x" onerror="window.hacked = 1">',
  "javascript:window.hacked=1",
  "[click](javascript:window.hacked=1) https://good.example/<svg onload=window.hacked=1>",
  "&lt;img src=x onerror=window.hacked=1&gt;",
  '"><iframe srcdoc="<script>top.hacked = 1</script>"></iframe>',
  "{{constructor.constructor('window.hacked=1')()}} $" + "{window.hacked=1}",
  "<!--?lit$123$--><a href=javascript:hacked=1 style=position:fixed>x</a>",
  "\u202egnp.exe https://example.com/\u202egpj.exe",
  "https://good.example@evil.example/ https://évil.example/",
  "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308".repeat(20),
];

test("texts and names are text", async () => {
  const watcher = await enter(browser, server.base, "hostile", "Watcher");
  const hacked = () => watcher.evaluate(() => (window as unknown as { hacked?: number }).hacked);
  const texts = HOSTILE.map((text, i) => ({ type: "message", text: `${i}: ${text}` }));
  const name = "<img src=x onerror=window.hacked=1>\u202e<b>";
  const answers = await sayRaw(watcher, "hostile", { token: "mallory", name }, texts);
  expect(answers).toEqual(HOSTILE.map(() => expect.objectContaining({ type: "ack" })));
  const entry = (answers[0] as { entry: string }).entry;
  await sayRaw(watcher, "hostile", { token: "mallory", name }, [
    { type: "message", text: "<b>answer</b>", replyTo: entry, id: "reply" },
  ]);
  await sayRaw(watcher, "hostile", { token: "mo", name: "<i>Mo", role: "host" }, [
    { type: "pin", target: (answers[1] as { entry: string }).entry },
    { type: "announce", text: "<h1 onclick=window.hacked=1>Announced</h1>" },
  ]);
  await said(watcher, "<b>answer</b>").waitFor();
  await watcher.getByTestId("pinned").waitFor();
  await watcher.locator(".announcement").filter({ hasText: "<h1 onclick" }).waitFor();
  await watcher.getByTestId("people-button").click();
  await watcher.getByTestId("close-panel").click();

  const found = await watcher.evaluate(() => {
    const root = document.querySelector("freshet-room")?.shadowRoot;
    if (!root) throw new Error("no room");
    const links = [...root.querySelectorAll("a")];
    return {
      elements: root.querySelectorAll("script, img, iframe, h1, b, i, object, embed, [onerror], [onload], [onclick]")
        .length,
      svgs: [...root.querySelectorAll("svg")].filter((svg) => svg.getAttribute("class")?.startsWith("icon") !== true)
        .length,
      links: links.map((a) => a.href),
      rels: [...new Set(links.map((a) => a.rel))],
      isolated: [...root.querySelectorAll<HTMLElement>(".text, .name")].every((e) =>
        ["isolate", "plaintext"].includes(getComputedStyle(e).unicodeBidi),
      ),
      // Nothing is wider than the list, and nothing paints outside its row.
      wide: [...root.querySelectorAll(".row")].filter((row) => row.scrollWidth > row.clientWidth + 1).length,
    };
  });
  expect(found.elements).toBe(0);
  expect(found.svgs).toBe(0);
  expect(found.wide).toBe(0);
  expect(found.isolated).toBe(true);
  for (const link of found.links) expect(link).toMatch(/^https?:\/\//);
  expect(found.links.join()).not.toContain("evil.example/,");
  expect(found.links.filter((link) => link.includes("@"))).toEqual([]);
  expect(found.rels).toEqual(["noopener noreferrer nofollow ugc"]);
  expect(await hacked()).toBeUndefined();
  expect(await watcher.locator(".name").allTextContents()).not.toContainEqual(expect.stringContaining("\u202e"));
});

test("a drop loses nothing and doubles nothing", async () => {
  const gate = await Gate.start(server.port);
  const page = await enter(browser, gate.base, "drops", "Dropped");
  const other = await enter(browser, server.base, "drops", "Steady");
  const expected: string[] = [];
  const both = async (from: Page, text: string) => {
    expected.push(text);
    await say(from, text);
  };
  await both(page, "before the drop");
  await said(other, "before the drop").waitFor();
  for (const round of [1, 2]) {
    // In the middle of what one says, the answers get lost.
    const own = `said into the drop ${round}`;
    expected.push(own);
    await page.getByTestId("write").fill(own);
    await page.getByTestId("write").press("Enter");
    gate.cut();
    await page.getByTestId("standing").waitFor();
    await both(other, `missed ${round}`);
    await said(other, `missed ${round}`).waitFor();
    const waiting = `said while away ${round}`;
    expected.push(waiting);
    await say(page, waiting);
    gate.mend();
    await inRoom(page);
    await said(other, waiting).waitFor();
    await said(page, `missed ${round}`).waitFor();
    await page.locator(".pending").first().waitFor({ state: "detached" });
  }
  const relevant = async (p: Page) => (await texts(p)).filter((t) => expected.includes(t));
  await expect.poll(async () => (await relevant(page)).toSorted()).toEqual(expected.toSorted());
  await expect.poll(async () => (await relevant(other)).toSorted()).toEqual(expected.toSorted());
  await gate.stop();
});

test("keys decide who moderates", async () => {
  const key = "team:0123456789abcdef0123456789abcdef";
  const guarded = await Server.start(["--auth.keys", key]);
  const mint = (...args: string[]) => mintToken(["--auth.keys", key, "--stream", "guarded", ...args]);
  const stranger = await browser.page(`${guarded.base}/watch/guarded`);
  await stranger.getByTestId("standing").filter({ hasText: "needs an access token" }).waitFor();
  const viewer = await browser.page(`${guarded.base}/watch/guarded?token=${await mint("--identity", "ann")}`);
  await inRoom(viewer);
  expect(await viewer.getByTestId("announce").count()).toBe(0);
  await viewer.getByTestId("settings-button").click();
  expect(await viewer.getByTestId("slow").count()).toBe(0);
  expect(await guarded.stop(), guarded.log).toBe(0);
});
