/** Where the rows of a long list lie, of which only some are drawn. Heights are in px. Pure. */
export class Rows {
  #heights: number[] = [];
  /** #tops[i] is the top of row i, and #tops[count] the height of all; those beyond #known are stale. */
  #tops: number[] = [0];
  #known = 0;

  get count(): number {
    return this.#heights.length;
  }

  /** The height of all rows. */
  get total(): number {
    return this.top(this.count);
  }

  /** Replaces all rows from one on. */
  replace(from: number, heights: readonly number[]): void {
    this.#heights.length = from;
    this.#tops.length = from + 1;
    for (const height of heights) this.#heights.push(height);
    this.#known = Math.min(this.#known, from);
  }

  /** A row has turned out to be this high; the result tells whether it was thought so. */
  measure(row: number, height: number): boolean {
    if (this.#heights[row] === undefined || this.#heights[row] === height) return false;
    this.#heights[row] = height;
    this.#known = Math.min(this.#known, row);
    return true;
  }

  /** The distance of a row's upper edge from that of the first; of `count`, the height of all. */
  top(row: number): number {
    const to = Math.min(Math.max(0, row), this.count);
    for (let i = this.#known; i < to; i++) this.#tops[i + 1] = (this.#tops[i] ?? 0) + (this.#heights[i] ?? 0);
    this.#known = Math.max(this.#known, to);
    return this.#tops[to] ?? 0;
  }

  /** The row at a distance from the top: the first above all, the last below all. */
  at(y: number): number {
    let low = 0;
    let high = Math.max(0, this.count - 1);
    this.top(this.count);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#tops[middle] ?? 0) <= y) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The rows that show between two distances: from the first on, up to and without the last. */
  range(top: number, bottom: number): [number, number] {
    if (this.count === 0) return [0, 0];
    return [this.at(top), this.at(bottom) + 1];
  }
}
