/** One entry of a Link header (RFC 8288 section 3). Parameter names are lower case. */
export interface Link {
  target: string;
  params: Record<string, string>;
}

/** The relation types of the WHEP extensions that this client uses. */
export const EXT_EVENTS = "urn:ietf:params:whep:ext:core:server-sent-events";
/** Our own extension: what a publisher is told of its session. */
export const EXT_PUBLISHER_EVENTS = "https://github.com/freshet-live/freshet#publisher-events";
export const EXT_LAYER = "urn:ietf:params:whep:ext:core:layer";

/**
 * Parses a Link header, several of which the Fetch API joins by commas.
 * Entries that are not well formed are left out; it never throws.
 */
export function parseLinks(header: string | null): Link[] {
  const text = header ?? "";
  const links: Link[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf("<", at);
    const close = open < 0 ? -1 : text.indexOf(">", open);
    if (close < 0) break;
    const { params, end } = parseParams(text, close + 1);
    links.push({ target: text.slice(open + 1, close).trim(), params });
    at = end + 1;
  }
  return links;
}

/** Reads `;name=value` pairs up to the comma that ends a link, or the end. */
function parseParams(text: string, start: number): { params: Record<string, string>; end: number } {
  const params: Record<string, string> = {};
  const pair = /\s*;\s*([!#$&+\-.^_`|~0-9A-Za-z]+)\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,]*)))?/y;
  let at = start;
  for (;;) {
    pair.lastIndex = at;
    const match = pair.exec(text);
    if (!match) break;
    at = pair.lastIndex;
    const name = (match[1] ?? "").toLowerCase();
    // The first of two equal parameters counts (RFC 8288 section 3.3).
    params[name] ??= match[2]?.replace(/\\(.)/g, "$1") ?? match[3] ?? "";
  }
  const comma = text.indexOf(",", at);
  return { params, end: comma < 0 ? text.length : comma };
}

/** Finds the link that has a relation type; rel may name several. */
export function findLink(links: Link[], rel: string): Link | undefined {
  return links.find((link) => (link.params.rel ?? "").split(/\s+/).includes(rel));
}

/** The link to the same stream by HLS, for those whom WHEP does not suit. */
export function findAlternate(links: Link[]): Link | undefined {
  const all = links.filter((link) => (link.params.rel ?? "").split(/\s+/).includes("alternate"));
  return all.find((l) => l.params.type === undefined || /mpegurl/i.test(l.params.type));
}

/** The STUN and TURN servers of a 201 (RFC 9725 section 4.6). */
export function iceServers(links: Link[]): RTCIceServer[] {
  return links
    .filter((link) => (link.params.rel ?? "").split(/\s+/).includes("ice-server"))
    .filter((link) => /^(stun|turn)s?:/i.test(link.target))
    .map((link) => {
      const server: RTCIceServer = { urls: link.target };
      if (link.params.username !== undefined) server.username = link.params.username;
      if (link.params.credential !== undefined) server.credential = link.params.credential;
      return server;
    });
}
