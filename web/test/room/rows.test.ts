import { expect, test } from "vitest";
import { Rows } from "../../src/room/rows.ts";

test("rows lie one below the other", () => {
  const rows = new Rows();
  rows.replace(0, [10, 20, 30]);
  expect([0, 1, 2, 3].map((i) => rows.top(i))).toEqual([0, 10, 30, 60]);
  expect(rows.total).toBe(60);
  expect([-5, 0, 9, 10, 29, 30, 59, 60, 999].map((y) => rows.at(y))).toEqual([0, 0, 0, 1, 1, 2, 2, 2, 2]);
  expect(rows.range(9, 30)).toEqual([0, 3]);
  expect(rows.range(10, 29)).toEqual([1, 2]);
});

test("an empty list has no rows", () => {
  const rows = new Rows();
  expect(rows.total).toBe(0);
  expect(rows.range(0, 500)).toEqual([0, 0]);
});

test("a measured row moves those below", () => {
  const rows = new Rows();
  rows.replace(0, [10, 10, 10]);
  expect(rows.total).toBe(30);
  expect(rows.measure(1, 25)).toBe(true);
  expect(rows.measure(1, 25)).toBe(false);
  expect(rows.measure(7, 25)).toBe(false);
  expect([rows.top(1), rows.top(2), rows.total]).toEqual([10, 35, 45]);
});

/** The same by plain sums. */
function tops(heights: readonly number[]): number[] {
  const sums = [0];
  for (const h of heights) sums.push((sums.at(-1) ?? 0) + h);
  return sums;
}

test("whatever is done, the sums are right", () => {
  const rows = new Rows();
  let heights: number[] = [];
  let seed = 1;
  const random = (n: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % n;
  };
  for (let i = 0; i < 500; i++) {
    if (random(3) === 0) {
      const from = random(heights.length + 1);
      const added = Array.from({ length: random(9) }, () => 1 + random(80));
      heights = [...heights.slice(0, from), ...added];
      rows.replace(from, added);
    } else if (heights.length > 0) {
      const row = random(heights.length);
      heights[row] = 1 + random(80);
      rows.measure(row, heights[row]);
    }
    const expected = tops(heights);
    const probe = random(heights.length + 1);
    expect(rows.top(probe)).toBe(expected[probe]);
    expect(rows.total).toBe(expected.at(-1));
    if (heights.length === 0) continue;
    const y = random(rows.total + 20) - 10;
    const at = expected.slice(0, -1).findLastIndex((top) => top <= y);
    expect(rows.at(y)).toBe(Math.max(0, at));
  }
});
