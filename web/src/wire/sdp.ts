/** What this client needs of SDP (RFC 8866): line edits, never a whole parser. */

/** Splits a description into lines, whatever its line ends. */
export function sdpLines(sdp: string): string[] {
  return sdp.split(/\r\n|\n|\r/).filter((line) => line !== "");
}

function joinLines(lines: string[]): string {
  return `${lines.join("\r\n")}\r\n`;
}

/** One m= section, as far as codecs and ICE need it. */
export interface Section {
  kind: string;
  mid: string;
  /** Its place among the m= lines, from 0. */
  index: number;
  /** False when the answer refused it (port 0) or made it inactive. */
  open: boolean;
  lines: string[];
}

/** The m= sections of a description, in order. */
export function sections(sdp: string): Section[] {
  const out: Section[] = [];
  for (const line of sdpLines(sdp)) {
    const media = /^m=(\S+) (\d+)/.exec(line);
    if (media) {
      const open = media[2] !== "0";
      out.push({ kind: media[1] ?? "", mid: "", index: out.length, open, lines: [] });
    }
    const last = out.at(-1);
    if (!last) continue;
    last.lines.push(line);
    if (line.startsWith("a=mid:")) last.mid = line.slice(6);
    if (line === "a=inactive") last.open = false;
  }
  return out;
}

/** The ICE user name fragment and password of a description or fragment. */
export function iceCredentials(sdp: string): { ufrag: string; pwd: string } | undefined {
  const lines = sdpLines(sdp);
  const value = (name: string) => lines.find((line) => line.startsWith(name))?.slice(name.length);
  const ufrag = value("a=ice-ufrag:");
  const pwd = value("a=ice-pwd:");
  return ufrag && pwd ? { ufrag, pwd } : undefined;
}

/** A candidate waiting to be trickled. */
export interface TrickledCandidate {
  candidate: string;
  mid: string;
}

/**
 * Writes the fragment of a trickle or restart PATCH (RFC 8840 section 9,
 * RFC 9725 section 4.3): the offer's credentials and the candidates by m=
 * section. `complete` adds end-of-candidates.
 */
export function writeFragment(offer: string, candidates: TrickledCandidate[], complete: boolean): string {
  const lines: string[] = [];
  const group = sdpLines(offer).find((line) => line.startsWith("a=group:BUNDLE"));
  if (group) lines.push(group);
  const credentials = iceCredentials(offer);
  if (credentials) lines.push(`a=ice-ufrag:${credentials.ufrag}`, `a=ice-pwd:${credentials.pwd}`);
  const all = sections(offer);
  // With BUNDLE everything belongs to the first section (RFC 9143); it is
  // there even when only the credentials are new.
  const wanted = new Set(candidates.map((c) => c.mid));
  const used = all.filter((section, i) => wanted.has(section.mid) || (i === 0 && wanted.size === 0));
  for (const section of used) {
    lines.push(section.lines[0] ?? "", `a=mid:${section.mid}`);
    for (const c of candidates) if (c.mid === section.mid) lines.push(`a=${c.candidate}`);
    if (complete) lines.push("a=end-of-candidates");
  }
  return joinLines(lines);
}

/**
 * Puts the credentials and candidates of a restart's 200 (RFC 9725 section
 * 4.3.3) into the answer that the session had. Throws when the fragment has
 * no credentials.
 */
export function applyFragment(answer: string, fragment: string): string {
  const fresh = iceCredentials(fragment);
  if (!fresh) throw new Error("the ICE restart's answer has no credentials");
  const candidates = sdpLines(fragment).filter((line) => line.startsWith("a=candidate:"));
  const lines: string[] = [];
  let section = -1;
  const finish = () => {
    if (section === 0) lines.push(...new Set(candidates), "a=end-of-candidates");
  };
  for (const line of sdpLines(answer)) {
    if (line.startsWith("m=")) {
      finish();
      section++;
    }
    if (line.startsWith("a=candidate:") || line === "a=end-of-candidates") continue;
    if (line.startsWith("a=ice-ufrag:")) lines.push(`a=ice-ufrag:${fresh.ufrag}`);
    else if (line.startsWith("a=ice-pwd:")) lines.push(`a=ice-pwd:${fresh.pwd}`);
    else lines.push(line);
  }
  finish();
  return joinLines(lines);
}

/**
 * Asks for stereo Opus with in-band FEC (RFC 7587 section 6.1). The browser
 * sends stereo when the answer has stereo=1 and plays it when its own offer
 * has.
 */
export function stereoOpus(sdp: string): string {
  const opus = new Set(
    sdpLines(sdp).flatMap((line) => /^a=rtpmap:(\d+) opus\/48000\/2/i.exec(line)?.[1] ?? []),
  );
  const lines = sdpLines(sdp).map((line) => {
    const fmtp = /^a=fmtp:(\d+) (.*)$/.exec(line);
    if (!fmtp || !opus.has(fmtp[1] ?? "")) return line;
    opus.delete(fmtp[1] ?? "");
    const kept = (fmtp[2] ?? "")
      .split(";")
      .map((p) => p.trim())
      .filter((p) => p !== "" && !/^(stereo|sprop-stereo|useinbandfec)=/.test(p));
    return `a=fmtp:${fmtp[1]} ${[...kept, ...OPUS_PARAMS].join(";")}`;
  });
  const out = lines.flatMap((line) => {
    const pt = /^a=rtpmap:(\d+) /.exec(line)?.[1];
    return pt && opus.has(pt) ? [line, `a=fmtp:${pt} ${OPUS_PARAMS.join(";")}`] : [line];
  });
  return joinLines(out);
}

const OPUS_PARAMS = ["stereo=1", "sprop-stereo=1", "useinbandfec=1"];

/** The names of the video codecs in a description, upper case, in order. */
export function videoCodecs(sdp: string): string[] {
  const names = sections(sdp)
    .filter((section) => section.kind === "video")
    .flatMap((section) => section.lines)
    .flatMap((line) => /^a=rtpmap:\d+ ([A-Za-z0-9-]+)\/90000/.exec(line)?.[1]?.toUpperCase() ?? []);
  return [...new Set(names)].filter((name) => !["RTX", "RED", "ULPFEC", "FLEXFEC-03"].includes(name));
}
