import { test } from "vitest";
import { publishLayers } from "./support/bench.ts";
import { openChromium } from "./support/browser.ts";
import { Link } from "./support/link.ts";
import { pictureHeight, playerState } from "./support/pages.ts";
import { Server } from "./support/server.ts";
import { clock, observe, shown } from "./support/sight.ts";

const pass = (ms: number) => new Promise((done) => setTimeout(done, ms));
test("scratch", async () => {
  await Link.build();
  const server = await Server.start();
  const browser = await openChromium({
    args: [
      "--enable-logging=stderr",
      "--log-level=0",
      "--vmodule=*/webrtc/*=2,rtx_receive_stream=2,nack_requester=2,rtp_video_stream_receiver2=2,packet_buffer=2",
    ],
  });
  const end = await publishLayers(server.base, "net");
  const link = await Link.start(`127.0.0.1:${server.port}`);
  const viewer = await browser.context.newPage();
  await viewer.addInitScript(() => {
    const P = RTCPeerConnection;
    // @ts-expect-error
    window.RTCPeerConnection = class extends P {
      constructor(c) {
        super(c);
        (window as any).pc = this;
      }
    };
  });
  await link.carry(viewer);
  await viewer.goto(`${server.base}/watch/net`);
  await playerState(viewer, "live");
  await pictureHeight(viewer, 720);
  const stat = async (label: string) => {
    const s = await viewer.evaluate(async () => {
      const out: any[] = [];
      for (const r of (await (window as any).pc.getStats()).values())
        if (r.type === "inbound-rtp" && r.kind === "video")
          out.push([
            r.framesReceived,
            r.framesDecoded,
            r.keyFramesDecoded,
            r.framesDropped,
            r.packetsReceived,
            r.packetsLost,
            r.retransmittedPacketsReceived,
            r.nackCount,
            r.pliCount,
            r.freezeCount,
            r.totalFreezesDuration,
            r.frameHeight,
            r.jitterBufferDelay / r.jitterBufferEmittedCount,
            r.totalDecodeTime,
          ]);
      return out;
    });
    const a = (await (await fetch(`${server.base}/api/v1/streams/net`)).json()) as any;
    const v = a.viewerSessions[0];
    console.log(
      label,
      JSON.stringify(s),
      JSON.stringify({
        rid: v.rid,
        t: v.targetRid,
        est: v.estimate,
        rtx: v.retransmitted,
        nacks: v.nacks,
        plis: v.plis,
        loss: v.loss,
        rtt: v.rttMs,
        rep: v.replays,
        probes: v.probes,
        drop: v.dropped,
        w: v.waiting,
      }),
    );
  };
  await pass(2000);
  await observe(viewer);
  await pass(500);
  const t0 = await clock(viewer);
  link.set(JSON.parse(process.env.COND ?? '{"rate":400000,"queue":300}'));
  const began = Date.now();
  const N = Number(process.env.SECS ?? 8);
  while (Date.now() - began < N * 1000) {
    await pass(300);
    await stat("loss " + (Date.now() - began));
  }
  link.set({});
  while (Date.now() - began < N * 1000 + 6000) {
    await pass(500);
    await stat("loss " + (Date.now() - began));
  }
  const seen = await shown(viewer);
  let last = t0;
  for (const f of seen) {
    if (f.at > t0) {
      if (f.at - last > 150) console.log("loss GAP", Math.round(last - t0), Math.round(f.at - last), f.height);
      last = f.at;
    }
  }
  await end();
  await link.stop();
  await browser.close();
  await server.stop();
}, 120_000);
