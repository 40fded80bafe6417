/** How long nobody must have watched a layer before it is paused, in ms. */
export const PAUSE_AFTER = 4000;

/**
 * Decides which layers to pause. One that nobody watches is paused after a
 * while, as viewers change their minds; one that is watched goes on at once.
 */
export class LayerPauser {
  #unwatched = new Map<string, ReturnType<typeof setTimeout>>();
  #paused = new Set<string>();

  /** `changed` is called with the RIDs that are to be paused. */
  constructor(
    readonly changed: (paused: ReadonlySet<string>) => void,
    readonly delay = PAUSE_AFTER,
  ) {}

  /** The RIDs that are paused. */
  get paused(): ReadonlySet<string> {
    return this.#paused;
  }

  /** Takes the RIDs that nobody watches now. */
  update(unwatched: string[]): void {
    let resumed = false;
    for (const [rid, timer] of this.#unwatched) {
      if (unwatched.includes(rid)) continue;
      clearTimeout(timer);
      this.#unwatched.delete(rid);
      resumed = this.#paused.delete(rid) || resumed;
    }
    if (resumed) this.#tell();
    for (const rid of unwatched) {
      if (!this.#unwatched.has(rid))
        this.#unwatched.set(
          rid,
          setTimeout(() => this.#pause(rid), this.delay),
        );
    }
  }

  #pause(rid: string): void {
    this.#paused.add(rid);
    this.#tell();
  }

  #tell(): void {
    this.changed(new Set(this.#paused));
  }
}

/**
 * Which encodings send, in their order, with some paused: at least one always
 * does, the smallest, so that whoever comes sees a picture at once.
 */
export function activeFlags(
  encodings: { rid?: string; scaleResolutionDownBy?: number }[],
  paused: ReadonlySet<string>,
): boolean[] {
  const flags = encodings.map(({ rid }) => !rid || !paused.has(rid));
  if (flags.length > 0 && !flags.includes(true)) {
    const scale = encodings.map((e) => e.scaleResolutionDownBy ?? 1);
    flags[scale.indexOf(Math.max(...scale))] = true;
  }
  return flags;
}
