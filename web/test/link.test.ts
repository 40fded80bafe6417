import { describe, expect, test } from "vitest";
import { EXT_EVENTS, findLink, iceServers, parseLinks } from "../src/wire/link.ts";

describe("Link headers (W35, E57)", () => {
  test("reads ice servers with credentials", () => {
    const links = parseLinks(
      '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="us,er"; credential="p\\"w"; credential-type="password", <stun:s.example:3478>;rel=ice-server',
    );
    expect(iceServers(links)).toEqual([
      { urls: "turn:turn.example.net?transport=udp", username: "us,er", credential: 'p"w' },
      { urls: "stun:s.example:3478" },
    ]);
  });
  test("keeps commas inside quotes and targets", () => {
    const links = parseLinks(`</whep/demo/x/sse?a=1,2>; rel="${EXT_EVENTS}"; events="active,inactive"`);
    expect(links).toHaveLength(1);
    expect(findLink(links, EXT_EVENTS)).toEqual({
      target: "/whep/demo/x/sse?a=1,2",
      params: { rel: EXT_EVENTS, events: "active,inactive" },
    });
  });
  test("finds one of several relation types and ignores case of names", () => {
    expect(findLink(parseLinks('<a>; REL="x y"'), "y")?.target).toBe("a");
  });
  test.each([null, "", "nonsense", "<open", "<a", ",,,", '<a>; rel="'])("survives %j", (header) => {
    expect(iceServers(parseLinks(header))).toEqual([]);
  });
  test("takes no http link for an ice server", () => {
    expect(iceServers(parseLinks('<https://x>; rel="ice-server"'))).toEqual([]);
  });
});
