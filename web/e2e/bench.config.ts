import { defineConfig } from 'vitest/config';

// Each prints a line `figures` with JSON for test/bench.
export default defineConfig({ test: { environment: 'node', include: ['e2e/**/*.bench.ts'], testTimeout: 400_000, hookTimeout: 120_000 } });
