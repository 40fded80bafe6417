import { expect, test } from "vitest";
import { figures } from "../src/player/figures.ts";
import { layerRows } from "../src/publish/report.ts";
import { readStats } from "../src/wire/stats.ts";

const report = (...stats: Record<string, unknown>[]) =>
  new Map(stats.map((s) => [String(s.id), s])).entries();

const viewer = (t: number, bytes: number, packets: number, lost: number, id = "V") =>
  readStats(
    report(
      {
        id,
        type: "inbound-rtp",
        kind: "video",
        timestamp: t,
        bytesReceived: bytes,
        packetsReceived: packets,
        packetsLost: lost,
        frameWidth: 1280,
        frameHeight: 720,
        framesPerSecond: 30,
        framesDecoded: packets / 10,
        jitterBufferDelay: t / 1000,
        jitterBufferEmittedCount: t / 50,
        codecId: "C",
      },
      { id: "C", type: "codec", mimeType: "video/H264", timestamp: t },
      {
        id: "T",
        type: "transport",
        selectedCandidatePairId: "P",
        srtpCipher: "AEAD_AES_128_GCM",
        timestamp: t,
      },
      { id: "P", type: "candidate-pair", currentRoundTripTime: 0.012, localCandidateId: "L", timestamp: t },
      { id: "L", type: "local-candidate", protocol: "udp", candidateType: "host", timestamp: t },
    ),
  );

test("a viewer's figures are differences of two readings", () => {
  const f = figures(viewer(1000, 0, 100, 0), viewer(3000, 500_000, 290, 10));
  expect(f).toMatchObject({
    width: 1280,
    fps: 30,
    videoBitrate: 2_000_000,
    loss: 0.05,
    packetsLost: 10,
    rtt: 0.012,
    videoCodec: "H264",
    protocol: "UDP",
    cipher: "AEAD_AES_128_GCM",
    flowing: true,
  });
  expect(f.jitterBuffer).toBe(50);
});

test("a new session does not give negative or huge rates", () => {
  expect(figures(viewer(1000, 9e6, 9000, 50), viewer(2000, 100, 1, 0)).videoBitrate).toBe(0);
  expect(figures(viewer(1000, 0, 0, 0, "old"), viewer(2000, 9e6, 1, 0)).videoBitrate).toBe(0);
  expect(figures(undefined, viewer(1000, 9e6, 1, 0)).flowing).toBe(false);
  expect(figures(undefined, readStats([]))).toMatchObject({ width: 0, rtt: undefined, flowing: false });
});

test("a publisher's layers are listed from the highest, audio last", () => {
  const sent = (t: number) =>
    readStats(
      report(
        { id: "a", type: "outbound-rtp", kind: "audio", timestamp: t, bytesSent: t },
        {
          id: "q",
          type: "outbound-rtp",
          kind: "video",
          rid: "q",
          timestamp: t,
          bytesSent: t,
          keyFramesEncoded: 3,
          targetBitrate: 5000, // less than was sent: the rest is padding
        },
        {
          id: "f",
          type: "outbound-rtp",
          kind: "video",
          rid: "f",
          timestamp: t,
          bytesSent: t * 10,
          qualityLimitationReason: "cpu",
        },
        {
          id: "r",
          type: "remote-inbound-rtp",
          localId: "f",
          fractionLost: 0.02,
          roundTripTime: 0.03,
          timestamp: t,
        },
      ),
    );
  const rows = layerRows(sent(1000), sent(2000));
  expect(rows.map((r) => r.name)).toEqual(["f", "q", "audio"]);
  expect(rows[0]).toMatchObject({ bitrate: 80_000, loss: 0.02, rtt: 0.03, limitation: "cpu" });
  expect(rows[1]).toMatchObject({ bitrate: 5000, keyframes: 3, loss: undefined, limitation: "none" });
});
