import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import { Rows } from "./rows.ts";

/** So many px above and below what is seen are drawn, too; fewer than the second number, and it is drawn anew. */
const MARGIN = 700;
const LEAST_MARGIN = 250;
/** Within this many px of the end the list stays at the end. */
const NEAR_END = 40;

/** Something that a row shows. */
interface Item {
  key: string;
}

/** What a RoomList shows and how. */
export interface ListSource<T extends Item> {
  row(item: T): TemplateResult;
  /** How high a row will be, in px, at a width; it is measured once it is drawn. */
  estimate(item: T, width: number): number;
}

/**
 * A list of thousands of rows that draws those near what is seen. It stays at
 * the end while it is there; elsewhere what is seen does not move, whatever
 * comes or goes above and below. Fires `freshet-end` ({end}) when it gets
 * there or leaves. It renders into its owner's tree, for its styles.
 */
export class RoomList<T extends Item = Item> extends LitElement {
  static override properties = { items: { attribute: false }, source: { attribute: false } };
  declare items: readonly T[];
  declare source: ListSource<T> | undefined;

  readonly #rows = new Rows();
  readonly #heights = new Map<string, number>();
  #keys: string[] = [];
  #from = 0;
  #to = 0;
  #end = true;
  #lastTop = 0;
  #width = 0;
  #anchor: { key: string; row: number; offset: number } | undefined;
  readonly #resized = new ResizeObserver(() => this.#resize());

  constructor() {
    super();
    this.items = [];
    this.source = undefined;
  }

  /** Whether the newest row is seen. */
  get atEnd(): boolean {
    return this.#end;
  }

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener("scroll", this.#scrolled, { passive: true });
    this.#resized.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.removeEventListener("scroll", this.#scrolled);
    this.#resized.disconnect();
  }

  /** Goes to the newest row and stays there. */
  toEnd(): void {
    this.#setEnd(true);
    this.scrollTop = this.scrollHeight;
    this.requestUpdate();
  }

  /** Brings a row into sight; undefined when there is none of that key. */
  async reveal(key: string): Promise<HTMLElement | undefined> {
    const row = this.#keys.lastIndexOf(key);
    if (row < 0) return undefined;
    const { clientHeight: height } = this;
    const [top, bottom] = [this.#rows.top(row), this.#rows.top(row + 1)];
    if (top < this.scrollTop || bottom > this.scrollTop + height) {
      this.#setEnd(row === this.#keys.length - 1);
      this.scrollTop = Math.max(0, top - height / 3);
      this.#anchor = { key, row, offset: this.scrollTop - top };
    }
    this.requestUpdate();
    await this.updateComplete;
    return this.rowOf(key);
  }

  /** The element of a row, if it is drawn. */
  rowOf(key: string): HTMLElement | undefined {
    return [...this.children].find(
      (e): e is HTMLElement => e instanceof HTMLElement && e.dataset.key === key,
    );
  }

  readonly #scrolled = () => {
    const { scrollTop, clientHeight, scrollHeight } = this;
    const end = scrollHeight - scrollTop - clientHeight < NEAR_END;
    // Only somebody who goes up leaves the end; a list that grows does not.
    if (end || scrollTop < this.#lastTop - 1) this.#setEnd(end);
    this.#lastTop = scrollTop;
    const [from, to] = this.#rows.range(scrollTop - LEAST_MARGIN, scrollTop + clientHeight + LEAST_MARGIN);
    if (from < this.#from || to > this.#to) this.requestUpdate();
  };

  #setEnd(end: boolean): void {
    if (end === this.#end) return;
    this.#end = end;
    this.dispatchEvent(new CustomEvent("freshet-end", { detail: { end } }));
  }

  #resize(): void {
    if (this.clientWidth !== this.#width) {
      // Lines break elsewhere now: nothing measured holds.
      this.#width = this.clientWidth;
      this.#heights.clear();
      this.#keep();
      this.#rows.replace(
        0,
        this.items.map((item) => this.#heightOf(item)),
      );
    }
    this.requestUpdate();
  }

  #heightOf(item: T): number {
    return this.#heights.get(item.key) ?? this.source?.estimate(item, this.#width || 320) ?? 24;
  }

  /** Notes what is seen at the top, for it not to move. */
  #keep(): void {
    const row = this.#rows.at(this.scrollTop);
    const key = this.#keys[row];
    this.#anchor = key === undefined ? undefined : { key, row, offset: this.scrollTop - this.#rows.top(row) };
  }

  protected override willUpdate(changed: PropertyValues): void {
    this.#anchor ?? this.#keep();
    if (changed.has("items")) this.#take();
    const height = this.clientHeight || 600;
    const top = this.#end ? Math.max(0, this.#rows.total - height) : this.#target();
    [this.#from, this.#to] = this.#rows.range(top - MARGIN, top + height + MARGIN);
  }

  /** Takes over the items, from the first that is another one. */
  #take(): void {
    const { items } = this;
    const old = this.#keys;
    let same = Math.min(old.length, items.length);
    // Rows are appended mostly: the ends of what was there tell whether the rest is the same.
    const appended =
      same === old.length && old[0] === items[0]?.key && old[same - 1] === items[same - 1]?.key;
    if (!appended) {
      same = 0;
      while (same < old.length && same < items.length && old[same] === items[same]?.key) same++;
    }
    if (same === old.length && same === items.length) return;
    const added = items.slice(same);
    this.#keys.length = same;
    for (const item of added) this.#keys.push(item.key);
    this.#rows.replace(
      same,
      added.map((item) => this.#heightOf(item)),
    );
    if (this.#heights.size > 2 * items.length + 200) this.#forget();
  }

  #forget(): void {
    const kept = new Set(this.#keys);
    for (const key of this.#heights.keys()) if (!kept.has(key)) this.#heights.delete(key);
  }

  /** Where to scroll to, for the anchor to stay where it is seen. */
  #target(): number {
    const anchor = this.#anchor;
    if (!anchor) return this.scrollTop;
    const row = this.#keys[anchor.row] === anchor.key ? anchor.row : this.#keys.indexOf(anchor.key);
    return row < 0 ? this.scrollTop : this.#rows.top(row) + anchor.offset;
  }

  protected override updated(): void {
    let changed = false;
    let row = this.#from;
    for (const element of this.children) {
      if (!(element instanceof HTMLElement) || element.dataset.key === undefined) continue;
      const height = element.offsetHeight;
      this.#heights.set(element.dataset.key, height);
      changed = this.#rows.measure(row++, height) || changed;
    }
    const target = this.#end ? this.scrollHeight : this.#target();
    if (this.#end || Math.abs(target - this.scrollTop) >= 1) this.scrollTop = target;
    this.#lastTop = this.scrollTop;
    this.#anchor = undefined;
    if (changed) void this.#again();
  }

  /** What was measured may leave room for more rows, or change the space around them. */
  async #again(): Promise<void> {
    await Promise.resolve();
    this.requestUpdate();
  }

  protected override render(): TemplateResult {
    const { source } = this;
    const drawn = this.items.slice(this.#from, this.#to);
    const space = (height: number) =>
      html`<div class="space" aria-hidden="true" .style=${`height:${height}px`}></div>`;
    return html`${space(this.#rows.top(this.#from))}${
      source
        ? repeat(
            drawn,
            (item) => item.key,
            (item) => source.row(item),
          )
        : nothing
    }${space(this.#rows.total - this.#rows.top(this.#to))}`;
  }
}

customElements.define("freshet-room-list", RoomList);

declare global {
  interface HTMLElementTagNameMap {
    "freshet-room-list": RoomList;
  }
}
