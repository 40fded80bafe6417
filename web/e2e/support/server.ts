import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const binary = fileURLToPath(new URL("../../../bin/freshet", import.meta.url));

/** A port that was free a moment ago, for TCP and UDP, and the next one for TCP. */
async function freePort(): Promise<number> {
  const tcp = (port: number) => held(createServer(), (s) => s.listen(port, "127.0.0.1"));
  const udp = (port: number) => held(createSocket("udp4"), (s) => s.bind(port, "127.0.0.1"));
  for (;;) {
    const first = await tcp(0);
    const port = first?.port ?? 65535;
    const rest = port < 65535 ? [await tcp(port + 1), await udp(port)] : [undefined];
    await Promise.all([first, ...rest].map((h) => h?.close()));
    if (rest.every((h) => h)) return port;
  }
}

/** Holds a port until close; undefined when it is taken. */
function held<S extends TcpServer | Socket>(
  socket: S,
  bind: (socket: S) => void,
): Promise<{ port: number; close(): Promise<unknown> } | undefined> {
  return new Promise((resolve) => {
    socket.once("error", () => resolve(undefined));
    socket.once("listening", () => {
      const address = socket.address();
      const port = typeof address === "object" && address ? address.port : 0;
      const close = () => {
        socket.close();
        return once(socket, "close");
      };
      resolve({ port, close });
    });
    bind(socket);
  });
}

/** The server under test, as its own process on its own ports. */
export class Server {
  private constructor(
    readonly base: string,
    readonly port: number,
    private readonly args: string[],
    private child: ChildProcess,
    private output: string,
  ) {}

  static async start(args: string[] = [], port?: number): Promise<Server> {
    const chosen = port ?? (await freePort());
    const server = new Server(`http://127.0.0.1:${chosen}`, chosen, args, undefined as unknown as ChildProcess, "");
    await server.spawn();
    return server;
  }

  private async spawn(): Promise<void> {
    const child = spawn(
      binary,
      [
        ...["serve", "--http.listen", `127.0.0.1:${this.port}`, "--admin.listen", "off"],
        ...["--data-dir", this.data, ...this.args],
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.child = child;
    const collect = (chunk: Buffer) => {
      this.output += chunk.toString();
    };
    child.stderr?.on("data", collect);
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on("data", (chunk: Buffer) => {
        collect(chunk);
        if (this.output.includes("Ctrl-C")) resolve();
      });
      child.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${this.output}`)));
    });
  }

  /** Where it keeps HLS segments; removed at the end. */
  private get data(): string {
    return join(tmpdir(), `freshet-e2e-${this.port}`);
  }

  /** Everything that the server has printed. */
  get log(): string {
    return this.output;
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    const [code] = await ended;
    await rm(this.data, { recursive: true, force: true });
    return code as number | null;
  }

  /** A crash and a new start on the same ports. */
  async crash(): Promise<void> {
    await this.stop("SIGKILL");
    this.output = "";
    await this.spawn();
  }
}

/** What `freshet token` prints. */
export async function mintToken(args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ["token", ...args]);
  return stdout.trim();
}
