import { connect, createServer, type Server, type Socket } from "node:net";

/** A way to the server that can be cut: TCP only, media goes past it. */
export class Gate {
  readonly #open = new Set<Socket>();
  #cut = false;

  private constructor(
    readonly base: string,
    private readonly server: Server,
  ) {}

  static async start(port: number): Promise<Gate> {
    let gate: Gate | undefined;
    const server = createServer((near) => gate?.take(near, port));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const own = typeof address === "object" && address ? address.port : 0;
    gate = new Gate(`http://127.0.0.1:${own}`, server);
    return gate;
  }

  private take(near: Socket, port: number): void {
    if (this.#cut) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#open.add(from);
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#open.delete(from);
        to.destroy();
      });
    }
  }

  /** Breaks all connections, and refuses new ones until it is mended. */
  cut(): void {
    this.#cut = true;
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  mend(): void {
    this.#cut = false;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
