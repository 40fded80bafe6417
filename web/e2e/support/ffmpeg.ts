import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const publisher = fileURLToPath(new URL("whip-publisher.mjs", import.meta.url));

/**
 * Makes a clip of a test picture and a tone with the system's ffmpeg. With numbers each picture has its own in black
 * and white in the upper left corner: sixteen fields of 20 by 16, the lowest bit first.
 */
export async function makeClip(
  path: string,
  seconds: number,
  { gop = 30, numbers = false, size = "1280x720" }: { gop?: number; numbers?: boolean; size?: string } = {},
): Promise<void> {
  const strip = "nullsrc=s=320x16:r=30,format=gray,geq=lum='255*mod(floor(N/pow(2,floor(X/20))),2)'";
  const child = spawn(
    "ffmpeg",
    [
      ...`-v error -y -f lavfi -i testsrc2=size=${size}:rate=30 -f lavfi -i sine=frequency=440`.split(" "),
      ...(numbers ? ["-f", "lavfi", "-i", strip, "-filter_complex", "[0][2]overlay=0:0"] : []),
      "-t",
      String(seconds),
      ..."-c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency -bf 0 -sc_threshold 0 -b:v 2500k".split(
        " ",
      ),
      ...`-g ${gop} -keyint_min ${gop} -pix_fmt yuv420p -c:a libopus -ar 48000 -ac 2 -b:a 96k`.split(" "),
      path,
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}`);
}

/** FFmpeg 8's WHIP muxer, in a process of its own, sending a clip in real time. */
export class FFmpegPublisher {
  output = "";
  private constructor(private readonly child: ReturnType<typeof spawn>) {}

  static start(url: string, clip: string, token?: string): FFmpegPublisher {
    const child = spawn(process.execPath, [publisher, url, clip, ...(token ? [token] : [])], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const it = new FFmpegPublisher(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        it.output += chunk.toString();
      });
    }
    return it;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    await ended;
  }
}
