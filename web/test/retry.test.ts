import { describe, expect, test } from "vitest";
import { problemText } from "../src/wire/problem.ts";
import { Backoff, isTemporary, retryAfter } from "../src/wire/retry.ts";

describe("backoff", () => {
  test("doubles up to its limit and starts over", () => {
    const backoff = new Backoff(100, 1000, () => 0.5);
    expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });
  test("never leaves its bounds", () => {
    for (const random of [0, 0.999]) {
      const backoff = new Backoff(100, 1000, () => random);
      for (let i = 0; i < 100; i++) {
        const wait = backoff.next();
        expect(wait).toBeGreaterThanOrEqual(80);
        expect(wait).toBeLessThanOrEqual(1000);
      }
    }
  });
});

test("Retry-After has seconds or a date (W34)", () => {
  expect(retryAfter("3", 0)).toBe(3000);
  expect(retryAfter("Thu, 01 Jan 1970 00:00:05 GMT", 2000)).toBe(3000);
  expect(retryAfter("Thu, 01 Jan 1970 00:00:05 GMT", 9000)).toBe(0);
  expect(retryAfter("soon", 0)).toBeUndefined();
  expect(retryAfter(null, 0)).toBeUndefined();
});

test("what may succeed later", () => {
  expect([0, 409, 429, 500, 503].map(isTemporary)).toEqual([true, true, true, true, true]);
  expect([400, 401, 403, 404, 406, 415, 422].some(isTemporary)).toBe(false);
});

describe("problems (RFC 9457)", () => {
  test("give their detail as a sentence", () => {
    expect(problemText(409, "application/problem+json", '{"detail":"stream demo has a publisher"}')).toBe(
      "Stream demo has a publisher.",
    );
  });
  test.each(["", "not json", "[]", "null", '{"detail":7}'])("fall back for %j", (body) => {
    expect(problemText(401, "application/problem+json", body)).toBe("This needs an access token.");
    expect(problemText(418, "text/plain", body)).toContain("418");
  });
});
