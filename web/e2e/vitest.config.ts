import { defineConfig } from "vitest/config";

// One browser at a time: they share two cores with the server under test.
export default defineConfig({
  test: { testTimeout: 90_000, hookTimeout: 90_000, fileParallelism: false, include: ["*.test.ts"] },
});
