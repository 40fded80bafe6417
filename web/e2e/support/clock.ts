import type { Page } from "playwright-core";

/** The bits of the drawn time, in ms modulo 2^20 (17 minutes), and of its check. */
const TIME_BITS = 20;
const CHECK_BITS = 4;

/**
 * Runs in the page before its scripts: the camera becomes a moving picture in
 * which each frame has the time of its drawing as black and white blocks, and
 * the microphone a quiet tone.
 */
export function clockCamera({ timeBits, checkBits }: { timeBits: number; checkBits: number }): void {
  const draw = (context: CanvasRenderingContext2D, frame: number) => {
    const { width, height } = context.canvas;
    const ms = Math.round(performance.timeOrigin + performance.now()) % 2 ** timeBits;
    let check = 0;
    for (let rest = ms; rest > 0; rest = Math.floor(rest / 2 ** checkBits)) check ^= rest % 2 ** checkBits;
    context.fillStyle = `hsl(${frame % 360} 60% 40%)`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#fff";
    context.fillRect((frame * 7) % width, height * 0.5, width / 12, height * 0.3);
    const bits = timeBits + checkBits;
    const value = ms * 2 ** checkBits + check;
    for (let i = 0; i < bits; i++) {
      context.fillStyle = Math.floor(value / 2 ** i) % 2 === 1 ? "#fff" : "#000";
      context.fillRect((i * width) / bits, 0, width / bits + 1, height / 6);
    }
    context.fillStyle = "#fff";
    context.font = `${height / 10}px sans-serif`;
    context.fillText(new Date().toISOString().slice(11, 23), width / 20, height * 0.4);
  };
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const media = new MediaStream();
    if (wanted?.video) {
      const canvas = document.createElement("canvas");
      canvas.width = 1280;
      canvas.height = 720;
      const context = canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
      const track = canvas.captureStream(0).getVideoTracks()[0] as CanvasCaptureMediaStreamTrack;
      let frame = 0;
      setInterval(() => {
        draw(context, frame++);
        track.requestFrame();
      }, 1000 / 30);
      media.addTrack(track);
    }
    if (wanted?.audio) {
      const audio = new AudioContext();
      const out = audio.createMediaStreamDestination();
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      volume.gain.value = 0.05;
      tone.connect(volume).connect(out);
      tone.start();
      for (const t of out.stream.getAudioTracks()) media.addTrack(t);
    }
    return media;
  };
}

/** One frame that was seen. */
export interface SeenFrame {
  path: string;
  /** When it was on the screen, in ms since 1970. */
  at: number;
  /** When it was drawn, by the picture itself; undefined where the blocks cannot be read. */
  drawn: number | undefined;
  /** When it was captured, by the player. */
  captured: number | undefined;
  height: number;
}

/** What the page has recorded. */
export interface Recording {
  frames: SeenFrame[];
  /** The events `freshet-path`. */
  paths: { path: string; seam?: { step?: number; took: number } }[];
}

/** Runs in the page before its scripts: records every frame that the player shows. */
function recorder({ timeBits, checkBits }: { timeBits: number; checkBits: number }): void {
  const recording: Recording = { frames: [], paths: [] };
  (window as unknown as { recording: Recording }).recording = recording;
  const bits = timeBits + checkBits;
  const canvas = document.createElement("canvas");
  canvas.width = bits * 4;
  canvas.height = 4;
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  const read = (video: HTMLVideoElement, near: number): number | undefined => {
    const { videoWidth: width, videoHeight: height } = video;
    context.drawImage(video, 0, height / 18, width, height / 18, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 2, canvas.width, 1);
    let value = 0;
    for (let i = bits - 1; i >= 0; i--) value = value * 2 + ((data[(i * 4 + 2) * 4] ?? 0) > 127 ? 1 : 0);
    const ms = Math.floor(value / 2 ** checkBits);
    let check = 0;
    for (let rest = ms; rest > 0; rest = Math.floor(rest / 2 ** checkBits)) check ^= rest % 2 ** checkBits;
    if (check !== value % 2 ** checkBits) return undefined;
    const round = 2 ** timeBits;
    return near - ((((near - ms) % round) + round) % round);
  };
  const follow = (player: HTMLElement & { captured?: number }, video: HTMLVideoElement) => {
    const painted: VideoFrameRequestCallback = (_, frame) => {
      video.requestVideoFrameCallback(painted);
      const at = performance.timeOrigin + frame.expectedDisplayTime;
      // Still in this frame, but after the player has looked at it.
      requestAnimationFrame(() => {
        if (!video.classList.contains("seen")) return;
        const path = video.dataset.path ?? "";
        const { captured } = player;
        recording.frames.push({ path, at, drawn: read(video, at + 50), captured, height: video.videoHeight });
      });
    };
    video.requestVideoFrameCallback(painted);
  };
  const begin = () => {
    const player = document.querySelector("freshet-player");
    const videos = player?.shadowRoot?.querySelectorAll("video");
    if (!player || !videos?.length) return requestAnimationFrame(begin);
    for (const video of videos) follow(player as HTMLElement, video);
    return 0;
  };
  begin();
  document.addEventListener("freshet-path", (event) => {
    recording.paths.push((event as CustomEvent).detail as Recording["paths"][number]);
  });
}

const options = { timeBits: TIME_BITS, checkBits: CHECK_BITS };

/** Makes a page's camera one that draws the time. */
export async function drawClock(page: Page): Promise<void> {
  await page.addInitScript(clockCamera, options);
}

/** Makes a page record what its player shows. */
export async function record(page: Page): Promise<void> {
  await page.addInitScript(recorder, options);
}

/** What the page has recorded since the last call. */
export async function recorded(page: Page): Promise<Recording> {
  return await page.evaluate(() => {
    const all = (window as unknown as { recording: Recording }).recording;
    return { frames: all.frames.splice(0), paths: all.paths.splice(0) };
  });
}

/** Waits until a frame that came by a path has been seen since the last `recorded`. */
export async function seenBy(page: Page, path: string): Promise<void> {
  await page.waitForFunction(
    (wanted) =>
      (window as unknown as { recording: Recording }).recording.frames.some(
        (f) => f.path === wanted && f.drawn !== undefined,
      ),
    path,
    { timeout: 20_000 },
  );
}

/** A quantile, 0 to 1, of some numbers. */
export function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** From drawing to screen, in ms, of the frames that could be read. */
export function latencies(frames: SeenFrame[]): number[] {
  return frames.flatMap((f) => (f.drawn === undefined ? [] : [f.at - f.drawn]));
}

/** What the player takes for the time of capture, minus the time drawn, in ms. */
export function clockErrors(frames: SeenFrame[]): number[] {
  return frames.flatMap((f) => (f.drawn === undefined || f.captured === undefined ? [] : [f.captured - f.drawn]));
}

/** The longest time between two frames on the screen, in ms. */
export function longestGap(frames: SeenFrame[]): number {
  return Math.max(0, ...frames.slice(1).map((f, i) => f.at - (frames[i]?.at ?? f.at)));
}
