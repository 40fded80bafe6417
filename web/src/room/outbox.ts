import type { Command, Refused } from "./protocol.ts";

/** A command that the server has not answered yet, or has refused. */
export interface Sent {
  /** The client's own id, by which the server knows a repetition. */
  id: string;
  command: Command;
  /** When it was given, in ms since 1970. */
  at: number;
  /** The Entry that it became, once that is known. */
  entry: string;
  refused: Refused | undefined;
}

/**
 * The commands on their way. Each keeps its id until it is answered, over any
 * number of connections, so that it takes effect exactly once. Pure.
 */
export class Outbox {
  readonly #sent = new Map<string, Sent>();

  get all(): readonly Sent[] {
    return [...this.#sent.values()];
  }

  /** Those to be sent again on a new connection, oldest first. */
  get unanswered(): readonly Sent[] {
    return this.all.filter((s) => !s.entry && !s.refused);
  }

  /** When the oldest of the unanswered was given; undefined when there is none. */
  get oldest(): number | undefined {
    return this.unanswered[0]?.at;
  }

  add(id: string, command: Command, at: number): Sent {
    const sent = { id, command, at, entry: "", refused: undefined };
    this.#sent.set(id, sent);
    return sent;
  }

  /**
   * The server has accepted it. What becomes a line of the chat stays until
   * that line has come.
   */
  ack(id: string, entry: string): void {
    const sent = this.#sent.get(id);
    if (!sent) return;
    if (entry && isLine(sent.command)) sent.entry = entry;
    else this.#sent.delete(id);
  }

  /** The server has refused it. A line stays for its author to decide; the result is what was refused. */
  refuse(refused: Refused): Sent | undefined {
    const sent = this.#sent.get(refused.id);
    if (!sent) return undefined;
    if (isLine(sent.command)) sent.refused = refused;
    else this.#sent.delete(refused.id);
    return sent;
  }

  /** One's own line has come from the server. */
  arrived(client: string, entry: string): void {
    this.#sent.delete(client);
    for (const [id, sent] of this.#sent) if (sent.entry === entry) this.#sent.delete(id);
  }

  /** Its author gives it up. */
  discard(id: string): void {
    this.#sent.delete(id);
  }

  /** All that was accepted is in the past that was just loaded, or older. */
  loaded(): void {
    for (const [id, sent] of this.#sent) if (sent.entry) this.#sent.delete(id);
  }
}

/** Whether a command becomes a line that its author sees at once. */
export function isLine(command: Command): command is Extract<Command, { text: string }> {
  return command.type === "message" || command.type === "announce";
}
