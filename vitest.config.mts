import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { include: ['test/{unit,go}/**/*.test.ts'], expect: { requireAssertions: true }, testTimeout: 20_000 },
});
