import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const binary = fileURLToPath(new URL("../../../bin/freshet", import.meta.url));

/**
 * Publishes three layers of 30 frames/s with a keyframe every two seconds, which ignores keyframe requests: the
 * publisher of `freshet bench`, which costs next to no processor time. The result ends it.
 */
export async function publishLayers(base: string, stream: string): Promise<() => Promise<void>> {
  const child = spawn(
    binary,
    ["bench", "viewers", "-n", "1", "--duration", "10m", "--simulcast"].concat(
      ["--publish", `${base}/whip/${stream}`],
      ["--url", `${base}/whep/${stream}`],
    ),
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const ended = once(child, "exit");
  return async () => {
    child.kill("SIGTERM");
    await ended;
  };
}
