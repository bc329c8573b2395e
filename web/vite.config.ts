import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { unusedTokens } from './unused-tokens.ts';

export default defineConfig({
  plugins: [react(), unusedTokens()],
  build: {
    outDir: '../internal/webui/dist',
    emptyOutDir: false,
    // Which file needs which: src/bundle.test.ts reads it.
    manifest: true,
    // The content security policy allows no data: URLs but for images.
    assetsInlineLimit: (file) => (file.endsWith('.svg') ? undefined : false),
    chunkSizeWarningLimit: 900,
  },
  server: {
    // For working on the UI against a console that runs with --insecure-http.
    proxy: { '/api': { target: 'http://127.0.0.1:8080', ws: true } },
  },
  test: { environment: 'jsdom', include: ['src/**/*.test.{ts,tsx}'], setupFiles: ['src/test-setup.ts'] },
});
