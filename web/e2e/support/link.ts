import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Page } from "playwright-core";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const relay = `${root}bin/linkrelay`;

/** What a link does to what goes to the viewer; times in ms, rate in bit/s. */
export interface Conditions {
  rate?: number;
  queue?: number;
  delay?: number;
  jitter?: number;
  loss?: number;
  down?: boolean;
}

/** A bad network between the server and one viewer: a UDP relay on loopback. */
export class Link {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: string,
  ) {}

  /** Builds the relay; call it once. */
  static async build(): Promise<void> {
    await promisify(execFile)("go", ["build", "-o", relay, "./internal/linktest/relay"], { cwd: root });
  }

  static async start(server: string): Promise<Link> {
    const child = spawn(relay, [server], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    return new Link(child, line.toString().trim().split(":").pop() ?? "");
  }

  /** Changes the conditions for what comes from now on. */
  set(conditions: Conditions): void {
    this.child.stdin?.write(`${JSON.stringify(conditions)}\n`);
  }

  /** Lets what a page plays come over the link: it changes the candidates of the server's answers. */
  async carry(page: Page): Promise<void> {
    await page.route("**/whep/*", async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      const response = await route.fetch();
      const body = (await response.text())
        .replace(/^a=candidate:.* tcp .*\r\n/gim, "")
        .replace(/^(a=candidate:\S+ \d+ udp \d+ \S+) \d+ /gim, `$1 ${this.port} `);
      await route.fulfill({ response, body });
    });
  }

  async stop(): Promise<void> {
    const ended = once(this.child, "exit");
    this.child.stdin?.end();
    await ended;
  }
}
