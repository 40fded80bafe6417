import { iceServers } from "./link.ts";
import { RequestError } from "./problem.ts";
import { Backoff, isTemporary } from "./retry.ts";
import { applyFragment, type TrickledCandidate } from "./sdp.ts";
import { HttpSession } from "./session.ts";
import { pause, until } from "./timing.ts";

/**
 * Where the way to the server stands. `connecting` until the first media
 * path, `reconnecting` after it broke, `failed` when trying again is no use.
 */
export type PeerState = "idle" | "connecting" | "connected" | "reconnecting" | "failed" | "closed";

/** What a WHIP or WHEP client adds to a Peer. */
export interface PeerHandler {
  /** Adds the transceivers to a new connection. */
  setup(pc: RTCPeerConnection): void;
  /** Edits the offer before it is sent and set. */
  editOffer?(sdp: string): string;
  /** Edits the answer before it is set. */
  editAnswer?(sdp: string): string;
  /** A session was opened and its answer set; the signal aborts when it is given up. */
  opened?(session: HttpSession, pc: RTCPeerConnection, signal: AbortSignal): void;
  /** The state changed, or a try failed (then with the reason). */
  changed(state: PeerState, reason?: Error): void;
  /** The connection is about to be closed. */
  closing?(): void;
  /** Whether the failure ends all tries. */
  isFinal?(error: RequestError, everConnected: boolean): boolean;
  /**
   * The words for a session that the running server ended by itself, when
   * that is to end all tries.
   */
  readonly dismissed?: string;
}

/** How long a new or restarted ICE session may take to connect, in ms. */
const CONNECT_TIME = 12_000;
const RESTART_TIME = 6000;
/** How long a server that closed the connection may still answer, in ms. */
const SHUTDOWN_TIME = 1000;
/** A path that is silent this long is repaired, in ms. */
const PATIENCE = 1500;

/**
 * One RTCPeerConnection and its session resource, kept up: an ICE restart
 * when the path breaks, then a new session, with backoff, until stopped.
 */
export class Peer {
  #state: PeerState = "idle";
  #life: AbortController | undefined;
  #attempt: AbortController | undefined;
  #session: HttpSession | undefined;
  #pc: RTCPeerConnection | undefined;
  #pending: TrickledCandidate[] = [];
  #gathered = false;
  #restarting = false;
  #connectedOnce = false;
  readonly #backoff = new Backoff();

  constructor(
    readonly endpoint: string,
    readonly token: string | undefined,
    readonly handler: PeerHandler,
  ) {}

  get state(): PeerState {
    return this.#state;
  }

  /** The present connection, for its statistics and senders. */
  get connection(): RTCPeerConnection | undefined {
    return this.#pc;
  }

  /** Starts, and keeps trying until stop. A second call does nothing. */
  start(): void {
    if (this.#life) return;
    this.#life = new AbortController();
    void this.#run(this.#life.signal);
  }

  /** Ends the session at the server and the connection. `leaving`: the page is going away. */
  async stop(leaving = false): Promise<void> {
    this.#life?.abort();
    const ended = this.#session?.close(leaving).catch(() => {});
    // The server hears of the end before DTLS closes, but the devices' media
    // do not go on for as long as a slow server takes.
    if (!leaving && ended) await Promise.race([ended, pause(400, new AbortController().signal)]);
    this.#drop();
    if (this.#state !== "failed") this.#change("closed");
    await ended;
  }

  #change(state: PeerState, reason?: Error): void {
    if (state === this.#state && !reason) return;
    this.#state = state;
    this.handler.changed(state, reason);
  }

  async #run(signal: AbortSignal): Promise<void> {
    let stale: HttpSession | undefined;
    let dismissed = false;
    this.#change("connecting");
    while (!signal.aborted) {
      let wait = 0;
      try {
        // The session that broke would hold the stream's name: end it first.
        const known = await stale?.close();
        if (dismissed && known === false && this.handler.dismissed) throw new Error(this.handler.dismissed);
        stale = undefined;
        const pc = await this.#open(signal);
        await this.#keep(pc, signal);
        if (this.#state === "connected") this.#change("reconnecting");
        // A server that shuts down closes the connection too, but then it
        // does not answer for a while.
        dismissed = closedByServer(pc);
        if (dismissed) wait = SHUTDOWN_TIME;
      } catch (error) {
        if (signal.aborted) return;
        dismissed = false;
        wait = this.#failed(error);
        if (wait < 0) {
          this.#life?.abort();
          await this.#drop()
            ?.close()
            .catch(() => {});
          return;
        }
      }
      if (signal.aborted) return;
      stale = this.#drop() ?? stale;
      await pause(wait, signal);
    }
  }

  /** Judges a failed try: the wait before the next in ms, or -1 for none. */
  #failed(error: unknown): number {
    const reason = error instanceof Error ? error : new Error(String(error));
    const refused = reason instanceof RequestError;
    const final = refused
      ? !isTemporary(reason.status) || this.handler.isFinal?.(reason, this.#connectedOnce)
      : !(reason instanceof PathError);
    this.#change(final ? "failed" : this.#connectedOnce ? "reconnecting" : "connecting", reason);
    if (final) return -1;
    return Math.max(this.#backoff.next(), refused ? (reason.retryAfter ?? 0) : 0);
  }

  async #open(signal: AbortSignal): Promise<RTCPeerConnection> {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.#pc = pc;
    this.#pending = [];
    this.#gathered = false;
    this.handler.setup(pc);
    pc.onicecandidate = ({ candidate }) => this.#gather(pc, candidate, signal);

    const plain = (await pc.createOffer()).sdp ?? "";
    const offer = this.handler.editOffer?.(plain) ?? plain;
    const session = await HttpSession.open(this.endpoint, offer, this.token, signal);
    this.#session = session;
    // Gathering starts only now, so that it uses the servers of the 201.
    const servers = iceServers(session.links);
    if (servers.length > 0) pc.setConfiguration({ ...pc.getConfiguration(), iceServers: servers });
    // A browser may refuse an edited description; its own will do.
    await pc
      .setLocalDescription({ type: "offer", sdp: offer })
      .catch(() => pc.setLocalDescription({ type: "offer", sdp: plain }));
    await this.#answer(pc, session.answer);
    this.#attempt = new AbortController();
    this.handler.opened?.(session, pc, this.#attempt.signal);
    return pc;
  }

  #answer(pc: RTCPeerConnection, sdp: string): Promise<void> {
    return pc.setRemoteDescription({ type: "answer", sdp: this.handler.editAnswer?.(sdp) ?? sdp });
  }

  /** Returns when the connection is beyond repair; throws PathError when it never came up. */
  async #keep(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
    const up = () => pc.connectionState === "connected";
    const ended = () => closedByServer(pc);
    const targets = [pc, ...transports(pc)];
    const events = ["connectionstatechange", "statechange"];
    const wait = (test: () => boolean, ms: number) => until(targets, events, test, ms, signal);

    await wait(() => up() || pc.connectionState === "failed" || ended(), CONNECT_TIME);
    if (!up() && !signal.aborted) throw new PathError();
    while (up() && !signal.aborted) {
      this.#connectedOnce = true;
      this.#backoff.reset();
      this.#change("connected");
      await wait(() => !up() || ended(), Number.POSITIVE_INFINITY);
      if (ended()) return;
      // Many a silence ends by itself; "failed" never does.
      await wait(() => up() || pc.connectionState === "failed" || ended(), PATIENCE);
      if (up() || signal.aborted) continue;
      this.#change("reconnecting");
      if (ended() || !(await this.#restart(pc, signal))) return;
      await wait(() => up() || ended(), RESTART_TIME);
      if (ended()) return;
    }
  }

  /** Restarts ICE within the session; false when that is not possible. */
  async #restart(pc: RTCPeerConnection, signal: AbortSignal): Promise<boolean> {
    const session = this.#session;
    if (!session) return false;
    this.#restarting = true;
    try {
      await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
      const fragment = await session.restart(pc.localDescription?.sdp ?? "", signal);
      await this.#answer(pc, applyFragment(session.answer, fragment));
    } catch {
      return false;
    } finally {
      this.#restarting = false;
    }
    this.#flush(pc, signal);
    return true;
  }

  #gather(pc: RTCPeerConnection, candidate: RTCIceCandidate | null, signal: AbortSignal): void {
    if (candidate?.candidate) {
      this.#gathered = false;
      this.#pending.push({ candidate: candidate.candidate, mid: candidate.sdpMid ?? "0" });
      // One PATCH for those that come together.
      if (this.#pending.length === 1) setTimeout(() => this.#flush(pc, signal), 50);
    } else if (candidate === null) {
      this.#gathered = true;
      this.#flush(pc, signal);
    }
  }

  #flush(pc: RTCPeerConnection, signal: AbortSignal): void {
    if (pc !== this.#pc || !this.#session || this.#restarting || signal.aborted) return;
    if (this.#pending.length === 0) return;
    const candidates = this.#pending;
    this.#pending = [];
    const offer = pc.localDescription?.sdp ?? "";
    // A lost trickle is no reason to stop: the server may do without.
    void this.#session.trickle(offer, candidates, this.#gathered, signal).catch(() => {});
  }

  /** Closes the connection and hands over the session that it had. */
  #drop(): HttpSession | undefined {
    this.#attempt?.abort();
    const session = this.#session;
    this.#session = undefined;
    if (this.#pc) {
      this.#pc.onicecandidate = null;
      this.handler.closing?.();
      this.#pc.close();
    }
    this.#pc = undefined;
    return session;
  }
}

/** No media path came up, though the server answered. */
export class PathError extends Error {
  override name = "PathError";

  constructor() {
    super("No media gets through: the server's media port may be blocked on the way.");
  }
}

function transports(pc: RTCPeerConnection): RTCDtlsTransport[] {
  const all = pc.getTransceivers().flatMap((t) => [t.sender.transport, t.receiver.transport]);
  return [...new Set(all)].filter((t) => t !== null);
}

/** The server ended DTLS: the session is over, though ICE may not know it yet. */
function closedByServer(pc: RTCPeerConnection): boolean {
  return (
    pc.connectionState === "closed" || transports(pc).some((t) => ["closed", "failed"].includes(t.state))
  );
}
