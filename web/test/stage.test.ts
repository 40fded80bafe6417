import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Seam } from "../src/player/handover.ts";
import type { Path } from "../src/player/path.ts";
import { Stage } from "../src/player/stage.ts";

/** As much of a video element as the Stage uses. */
class FakeVideo extends EventTarget {
  muted = false;
  volume = 1;
  paused = false;
  readyState = 4;
  ownerDocument = { pictureInPictureElement: null };
  #callback: VideoFrameRequestCallback | undefined;

  requestVideoFrameCallback(callback: VideoFrameRequestCallback): void {
    this.#callback = callback;
  }

  async play(): Promise<void> {
    this.paused = false;
  }

  /** Paints the frame that was captured at a time. */
  paint(capture: number | undefined): void {
    const callback = this.#callback;
    this.#callback = undefined;
    callback?.(0, { mediaTime: capture } as unknown as VideoFrameCallbackMetadata);
  }
}

const T = 1_700_000_000_000;
let now = 0;
let whep: FakeVideo;
let hls: FakeVideo;
let stage: Stage;
let seams: Seam[];

beforeEach(() => {
  now = 1000;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  whep = new FakeVideo();
  hls = new FakeVideo();
  seams = [];
  stage = new Stage({ whep, hls } as unknown as Record<Path, HTMLVideoElement>, {
    capture: (_, frame) => frame.mediaTime,
    painted: () => {},
    changed: () => {},
  });
});

/** Both paint for some frames; the hidden one's captures are `lead` ms later. */
function play(frames: number, lead: number, seen: FakeVideo = whep, hidden: FakeVideo = hls): void {
  for (let i = 0; i < frames; i++) {
    now += 33;
    seen.paint(T + now);
    hidden.paint(T + now + lead);
  }
}

describe("the stage", () => {
  test("shows the frame that follows, and moves the sound at the same moment", () => {
    whep.volume = 0.4;
    expect([whep.muted, hls.muted]).toEqual([false, true]);
    stage.handOver("hls", 9000, (seam) => seams.push(seam));
    play(20, -200);
    expect(stage.shown).toBe("whep");
    expect(stage.lead).toBe(-200);
    play(1, 33);
    expect(stage.shown).toBe("hls");
    expect([whep.muted, hls.muted, hls.volume]).toEqual([true, false, 0.4]);
    expect(seams).toEqual([{ step: 0, took: 21 * 33 }]);
    play(20, 33);
    expect(stage.shown).toBe("hls");
    expect(seams.length).toBe(1);
  });

  test("a viewer without sound stays without", () => {
    whep.muted = true;
    stage.show("hls");
    expect([whep.muted, hls.muted]).toEqual([true, true]);
  });

  test("waits for a picture that has stopped to be passed", () => {
    play(1, -700);
    stage.handOver("hls", 9000, (seam) => seams.push(seam));
    const stopped = T + now;
    for (let capture = stopped - 330; capture <= stopped - 33; capture += 33) {
      now += 33;
      hls.paint(capture);
    }
    expect(stage.shown).toBe("whep");
    now += 500;
    hls.paint(stopped - 5);
    expect(stage.shown).toBe("whep");
    hls.paint(stopped + 28);
    expect(stage.shown).toBe("hls");
    expect(stage.captured).toBe(stopped + 28);
    expect(seams[0]?.step).toBe(-5);
  });

  test("does not wait for ever, and can be called off", () => {
    stage.handOver("hls", 1000, (seam) => seams.push(seam));
    expect(stage.goingTo).toBe("hls");
    stage.stay();
    play(60, -700);
    expect(stage.shown).toBe("whep");
    stage.handOver("hls", 1000, (seam) => seams.push(seam));
    play(60, -700);
    expect(stage.shown).toBe("hls");
    expect(seams).toEqual([{ step: -733, took: expect.closeTo(1000, -2) }]);
  });

  test("what an element showed before its new source does not count", () => {
    stage.handOver("hls", 9000, () => {});
    play(1, -700);
    hls.dispatchEvent(new Event("loadstart"));
    expect(stage.lead).toBeUndefined();
  });
});
