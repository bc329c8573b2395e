import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { environment: 'node', include: ['e2e/*.e2e.ts'], testTimeout: 300_000, hookTimeout: 120_000, fileParallelism: false },
});
