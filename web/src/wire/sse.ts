/** One message of an event stream (HTML, section 9.2). */
export interface SseMessage {
  event: string;
  data: string;
}

/**
 * Reads text/event-stream piece by piece. EventSource itself cannot send an
 * Authorization header, which the WHEP extension needs.
 */
export class SseParser {
  #rest = "";
  #event = "";
  #data: string[] = [];

  /** Takes the next piece of text and returns the messages it completed. */
  feed(text: string): SseMessage[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    const messages: SseMessage[] = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) {
          messages.push({ event: this.#event || "message", data: this.#data.join("\n") });
        }
        this.#event = "";
        this.#data = [];
        continue;
      }
      const match = /^([^:]+)(?:: ?(.*))?$/.exec(line);
      if (match?.[1] === "event") this.#event = match[2] ?? "";
      else if (match?.[1] === "data") this.#data.push(match[2] ?? "");
    }
    return messages;
  }
}
