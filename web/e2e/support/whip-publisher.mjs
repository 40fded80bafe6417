// Sends a clip to a WHIP endpoint by FFmpeg 8's own WHIP muxer (through its
// Node bindings), without re-encoding, in real time, again and again until it
// is told to stop: what `ffmpeg -re -i clip -c copy -f whip URL` does.

// The bindings are written for a newer Node.
Promise.withResolvers ??= () => {
  let resolve;
  let reject;
  const promise = new Promise((a, b) => {
    resolve = a;
    reject = b;
  });
  return { promise, resolve, reject };
};

const { Demuxer, Muxer } = await import("node-av/api");
const [url, clip, token] = process.argv.slice(2);

const input = await Demuxer.open(clip);
const output = await Muxer.open(url, { format: "whip", input, options: token ? { authorization: token } : {} });
const indexes = input.streams.map((stream) => output.addStream(stream));

let stopped = false;
process.on("SIGTERM", () => {
  stopped = true;
});
const start = performance.now();
let sent = 0;
for await (const packet of input.packets()) {
  if (stopped) break;
  if (!packet) continue;
  const { num, den } = input.streams[packet.streamIndex].timeBase;
  const due = (Number(packet.pts) * num * 1000) / den;
  const ahead = due - (performance.now() - start);
  if (ahead > 0) await new Promise((done) => setTimeout(done, ahead));
  await output.writePacket(packet, indexes[packet.streamIndex]);
  sent++;
}
await output.close();
console.log(`sent ${sent} packets`);
