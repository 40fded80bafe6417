import { describe, expect, test } from "vitest";
import { available, encodings, preferences } from "../src/publish/settings.ts";
import { isStreamName, streamOf } from "../src/wire/access.ts";
import { bitrate, duration, percent } from "../src/wire/format.ts";

const codecs = [
  { mimeType: "video/VP8", clockRate: 90000 },
  { mimeType: "video/rtx", clockRate: 90000 },
  { mimeType: "video/H264", clockRate: 90000, sdpFmtpLine: "packetization-mode=0;profile-level-id=42e01f" },
  { mimeType: "video/H264", clockRate: 90000, sdpFmtpLine: "packetization-mode=1;profile-level-id=4d001f" },
  { mimeType: "video/H264", clockRate: 90000, sdpFmtpLine: "packetization-mode=1;profile-level-id=42e01f" },
];

describe("simulcast settings", () => {
  test("list q, h, f from low to high", () => {
    for (const height of [360, 480, 720, 1080]) {
      const list = encodings(height, "H264");
      expect(list.map((e) => e.rid)).toEqual(["q", "h", "f"]);
      expect(list.map((e) => e.scaleResolutionDownBy)).toEqual([4, 2, 1]);
      const rates = list.map((e) => e.maxBitrate ?? 0);
      expect(rates[0]).toBeGreaterThanOrEqual(350_000);
      expect(rates).toEqual(rates.toSorted((a, b) => a - b));
    }
  });
  test("name a scalability mode for VP9 and AV1 only", () => {
    expect(encodings(720, "VP9").every((e) => "scalabilityMode" in e)).toBe(true);
    expect(encodings(720, "VP8").some((e) => "scalabilityMode" in e)).toBe(false);
  });
  test("offer only the chosen codec and repair", () => {
    expect(available(codecs)).toEqual(["H264", "VP8"]);
    const h264 = preferences(codecs, "H264");
    expect(h264[0]?.sdpFmtpLine).toContain("packetization-mode=1;profile-level-id=42e01f");
    expect(h264.at(-1)?.mimeType).toBe("video/rtx");
    expect(h264).toHaveLength(4);
    expect(preferences(codecs, "AV1")).toEqual([]);
  });
});

test("stream names come from the page's path", () => {
  expect(streamOf("/watch/demo")).toBe("demo");
  expect(streamOf("/embed/a-b_9/")).toBe("a-b_9");
  for (const odd of ["/watch/", "/watch/-a", "/watch/a/b", "/watch/%2e", "/other/demo"])
    expect(streamOf(odd)).toBeUndefined();
  expect(isStreamName("a".repeat(64))).toBe(true);
  expect(isStreamName("a".repeat(65))).toBe(false);
});

test("figures keep their form", () => {
  expect([0, 999, 349_600, 999_499, 999_500, 2_500_000].map(bitrate)).toEqual([
    "–",
    "1 kbit/s",
    "350 kbit/s",
    "999 kbit/s",
    "1.0 Mbit/s",
    "2.5 Mbit/s",
  ]);
  expect([undefined, 0, 0.004, 0.25].map(percent)).toEqual(["–", "0 %", "0.4 %", "25 %"]);
  expect([5, 65, 3605].map(duration)).toEqual(["0:05", "1:05", "1:00:05"]);
});
