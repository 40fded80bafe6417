import { describe, expect, test } from "vitest";
import {
  applyFragment,
  iceCredentials,
  sections,
  stereoOpus,
  videoCodecs,
  writeFragment,
} from "../src/wire/sdp.ts";

const lines = (...list: string[]) => `${list.join("\r\n")}\r\n`;

const OFFER = lines(
  "v=0",
  "o=- 1 2 IN IP4 127.0.0.1",
  "s=-",
  "t=0 0",
  "a=group:BUNDLE 0 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:0123456789012345678901",
  "a=mid:0",
  "a=rtpmap:111 opus/48000/2",
  "a=fmtp:111 minptime=10;useinbandfec=1",
  "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
  "a=ice-ufrag:abcd",
  "a=ice-pwd:0123456789012345678901",
  "a=mid:1",
  "a=rtpmap:96 H264/90000",
  "a=rtpmap:97 rtx/90000",
);

describe("trickle fragments (RFC 8840 section 9, W18, W21)", () => {
  test("carry credentials, mids and candidates", () => {
    const candidate = "candidate:1 1 udp 2122260223 127.0.0.1 61764 typ host";
    expect(writeFragment(OFFER, [{ candidate, mid: "0" }], true)).toBe(
      lines(
        "a=group:BUNDLE 0 1",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:0",
        `a=${candidate}`,
        "a=end-of-candidates",
      ),
    );
  });
  test("of a restart have the first section only", () => {
    const fragment = writeFragment(OFFER, [], false);
    expect(fragment).toContain("a=ice-pwd:0123456789012345678901\r\nm=audio");
    expect(fragment).not.toContain("m=video");
  });
  test("of the server replace credentials and candidates of the answer", () => {
    const answer = OFFER.replace("a=mid:0", "a=mid:0\r\na=candidate:9 1 udp 1 192.0.2.9 9 typ host");
    const fresh = applyFragment(
      answer,
      "a=ice-ufrag:wxyz\na=ice-pwd:newnewnewnewnewnewnewn\nm=audio 9 X 0\na=mid:0\na=candidate:7 1 udp 1 192.0.2.7 7 typ host\n",
    );
    expect(iceCredentials(fresh)).toEqual({ ufrag: "wxyz", pwd: "newnewnewnewnewnewnewn" });
    expect(fresh).not.toContain("abcd");
    expect(fresh).not.toContain("192.0.2.9");
    expect(sections(fresh)[0]?.lines).toContain("a=candidate:7 1 udp 1 192.0.2.7 7 typ host");
    expect(sections(fresh)[1]?.lines.some((l) => l.startsWith("a=candidate"))).toBe(false);
  });
  test("without credentials are refused", () => {
    expect(() => applyFragment(OFFER, "a=mid:0\r\n")).toThrow();
  });
});

describe("descriptions", () => {
  test("tell sections, mids and refused media", () => {
    const found = sections(OFFER.replace("m=video 9", "m=video 0"));
    expect(found.map(({ kind, mid, index, open }) => ({ kind, mid, index, open }))).toEqual([
      { kind: "audio", mid: "0", index: 0, open: true },
      { kind: "video", mid: "1", index: 1, open: false },
    ]);
  });
  test("list video codecs without repair", () => {
    expect(videoCodecs(OFFER)).toEqual(["H264"]);
  });
  test("ask for stereo Opus once (R11)", () => {
    const once = stereoOpus(OFFER);
    expect(once).toContain("a=fmtp:111 minptime=10;stereo=1;sprop-stereo=1;useinbandfec=1");
    expect(stereoOpus(once)).toBe(once);
  });
  test("get an fmtp line for Opus where there is none", () => {
    expect(stereoOpus("m=audio 9 X 100\r\na=rtpmap:100 opus/48000/2\r\n")).toContain("a=fmtp:100 stereo=1;");
  });
});
