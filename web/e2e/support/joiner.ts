/** What became of one join; all in ms since the POST. */
export interface Join {
  /** The first picture. */
  first: number;
  /** The first picture that a viewer who was there before has at that time, too. */
  live: number;
  /** The longest pause between two pictures in the two seconds after the first. */
  pause: number;
  /** The longest pause of the viewer who was there before, in that time: more than a little is the machine's doing. */
  others: number;
}

/** A bare WHEP viewer in a page. */
interface Viewer {
  pc: RTCPeerConnection;
  video: HTMLVideoElement;
  posted: number;
  session: string;
}

/** What watchHere puts into the page. */
interface Tools {
  play(endpoint: string): Promise<Viewer>;
  numberOf(video: HTMLVideoElement): number;
  newest: number;
  /** The longest pause of the viewer that stays, in ms. */
  pause: number;
}

/**
 * Opens a viewer in the page that stays and tells which picture is live. The pictures have numbers (see makeClip).
 * It runs in the page.
 */
export async function watchHere(endpoint: string): Promise<void> {
  const canvas = document.createElement("canvas");
  canvas.width = 320;
  canvas.height = 16;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no canvas");
  const tools: Tools = {
    newest: -1,
    pause: 0,
    numberOf(video) {
      context.drawImage(video, 0, 0, 320, 16, 0, 0, 320, 16);
      const { data } = context.getImageData(0, 8, 320, 1);
      let n = 0;
      for (let bit = 0; bit < 16; bit++) if ((data[(bit * 20 + 10) * 4] ?? 0) > 128) n |= 1 << bit;
      return n;
    },
    async play(endpoint) {
      const pc = new RTCPeerConnection();
      const video = document.createElement("video");
      Object.assign(video, { muted: true, autoplay: true, width: 160 });
      document.body.append(video);
      const stream = new MediaStream();
      video.srcObject = stream;
      pc.ontrack = ({ track }) => stream.addTrack(track);
      pc.addTransceiver("video", { direction: "recvonly" });
      pc.addTransceiver("audio", { direction: "recvonly" });
      await pc.setLocalDescription();
      const posted = performance.now();
      const response = await fetch(endpoint, {
        method: "POST",
        headers: { "Content-Type": "application/sdp" },
        body: pc.localDescription?.sdp ?? "",
      });
      if (response.status !== 201) throw new Error(`POST: ${response.status}`);
      await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
      return { pc, video, posted, session: new URL(response.headers.get("Location") ?? "", endpoint).href };
    },
  };
  Object.assign(window, { tools });
  const { video } = await tools.play(endpoint);
  await new Promise<void>((done) => {
    let last = 0;
    const look = (now: number) => {
      if (last !== 0) tools.pause = Math.max(tools.pause, Math.round(now - last));
      last = now;
      tools.newest = tools.numberOf(video);
      video.requestVideoFrameCallback(look);
      done();
    };
    video.requestVideoFrameCallback(look);
  });
}

/** Joins, looks for two seconds and leaves. It runs in the page, after watchHere. */
export async function join(endpoint: string): Promise<Join> {
  const { tools } = window as unknown as { tools: Tools };
  tools.pause = 0;
  const { pc, video, posted, session } = await tools.play(endpoint);
  const result: Join = { first: Number.NaN, live: Number.NaN, pause: 0, others: 0 };
  await new Promise<void>((done) => {
    let last = 0;
    let enough = false;
    setTimeout(() => {
      enough = true;
      done();
    }, 8000);
    const look = (now: number) => {
      if (enough) return;
      if (last === 0) {
        result.first = Math.round(now - posted);
        setTimeout(done, 2000);
      } else {
        result.pause = Math.max(result.pause, Math.round(now - last));
      }
      last = now;
      if (Number.isNaN(result.live) && tools.numberOf(video) >= tools.newest - 2)
        result.live = Math.round(now - posted);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  });
  result.others = tools.pause;
  await fetch(session, { method: "DELETE" });
  pc.close();
  video.remove();
  return result;
}
