import { describe, expect, test } from "vitest";
import { layerLabel, layerRequest, parseLayers } from "../src/wire/layers.ts";
import { SseParser } from "../src/wire/sse.ts";

describe("event streams (E58)", () => {
  const text =
    'event: active\ndata: {}\n\n: keep-alive\n\nevent: layers\r\ndata: {"1":\r\ndata: []}\r\n\r\ndata: x\n\n';
  const whole = [
    { event: "active", data: "{}" },
    { event: "layers", data: '{"1":\n[]}' },
    { event: "message", data: "x" },
  ];
  test("are read in one piece", () => {
    expect(new SseParser().feed(text)).toEqual(whole);
  });
  test.each([1, 2, 3, 7, 20])("are read in pieces of %i", (n) => {
    const parser = new SseParser();
    const got = [];
    for (let i = 0; i < text.length; i += n) got.push(...parser.feed(text.slice(i, i + n)));
    expect(got).toEqual(whole);
  });
});

describe("layers (E60, E61)", () => {
  const answer = "v=0\r\nm=audio 9 X 0\r\na=mid:a\r\nm=video 9 X 0\r\na=mid:v\r\n";
  const data = {
    "1": [
      { rid: "q", bitrate: 300_000, width: 320, height: 180 },
      { rid: "f", bitrate: 0, targetBitrate: 2_500_000, width: 1280, height: 720 },
      { bogus: true },
      null,
    ],
    "7": [{ rid: "x" }],
  };
  test("come highest first, with the mid of their section", () => {
    const layers = parseLayers(data, answer);
    expect(layers.map((l) => [l.id, l.mediaId, l.height])).toEqual([
      ["rid:f", "v", 720],
      ["rid:q", "v", 180],
    ]);
    expect(layers.map(layerLabel)).toEqual(["720p", "180p"]);
    expect(layerRequest("v", layers[1])).toEqual({ mediaId: "v", rid: "q" });
    expect(layerRequest("v", undefined)).toEqual({ mediaId: "v" });
  });
  test("without simulcast have a spatial id", () => {
    const [only] = parseLayers({ "1": [{ spatialLayerId: 0, bitrate: 1 }] }, answer);
    expect(only?.id).toBe("spatial:0");
    expect(layerRequest("v", only)).toEqual({ mediaId: "v", spatialLayerId: 0 });
  });
  test.each([null, 7, "x", [], {}, { "1": 7 }])("survive %j", (odd) => {
    expect(parseLayers(odd, answer)).toEqual([]);
  });
});
