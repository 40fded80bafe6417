import { describe, expect, test } from "vitest";
import { type Facts, playerState, RECONNECT_WINDOW } from "../src/player/state.ts";

const facts = (change: Partial<Facts>): Facts => ({
  peer: "connected",
  refused: undefined,
  publication: "unknown",
  away: undefined,
  quietSince: undefined,
  everLive: false,
  flowing: false,
  connectedAt: 0,
  now: 2000,
  ...change,
});

describe("player state", () => {
  test.each<[string, Partial<Facts>, string]>([
    ["before the first path", { peer: "connecting" }, "connecting"],
    ["events are on their way", { now: 500 }, "connecting"],
    ["nobody publishes yet", {}, "waiting"],
    ["a server without admission refuses (E51)", { peer: "connecting", refused: 409 }, "waiting"],
    ["active, no picture yet", { publication: "active" }, "connecting"],
    ["picture", { publication: "active", flowing: true, everLive: true }, "live"],
    ["picture without the events extension", { flowing: true, everLive: true }, "live"],
    ["path broke", { peer: "reconnecting", everLive: true, publication: "active" }, "reconnecting"],
    ["server away from the start", { peer: "connecting", refused: 0 }, "connecting"],
    [
      "broadcaster away",
      { publication: "inactive", everLive: true, quietSince: 0, now: 5000 },
      "reconnecting",
    ],
    ["server says ended", { publication: "inactive", everLive: true, away: "ended", quietSince: 0 }, "ended"],
    [
      "server says it waits",
      { publication: "inactive", everLive: true, away: "reconnecting", quietSince: 0, now: 1e6 },
      "reconnecting",
    ],
    [
      "away too long",
      { publication: "inactive", everLive: true, quietSince: 0, now: RECONNECT_WINDOW },
      "ended",
    ],
    [
      "media stops though active",
      { publication: "active", everLive: true, quietSince: 0, now: 1e6 },
      "reconnecting",
    ],
    ["came back (E64)", { publication: "active", everLive: true, flowing: true }, "live"],
    ["refused for good", { peer: "failed", everLive: true }, "error"],
    ["stopped", { peer: "closed" }, "idle"],
  ])("%s", (_name, change, state) => {
    expect(playerState(facts(change))).toBe(state);
  });
});
