import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import { preloadPages } from './preload-pages.ts';
import { unusedTokens } from './unused-tokens.ts';

/** What pages with tabs, dialogs and switches share. */
const parts = /react-(core|styles)\/.*\b(Tabs?|Modal\w*|Switch|FormSelect\w*|Backdrop|ExpandableSection)\b|web\/src\/components\/(operation|list-state|status|copy|table)\./i;

export default defineConfig({
  plugins: [react(), unusedTokens(), preloadPages()],
  build: {
    outDir: '../internal/webui/dist',
    emptyOutDir: false,
    // Which file needs which: src/bundle.test.ts reads it.
    manifest: true,
    // The content security policy allows no data: URLs but for images.
    assetsInlineLimit: (file) => (file.endsWith('.svg') ? undefined : false),
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Each file costs a request, and a browser beside much else more time than what is
          // in it: few files, though a page may load a little that it does not use.
          groups: [
            { name: 'start', tags: ['$initial'], minShareCount: 2 },
            { name: 'page', minShareCount: 7 },
            { name: 'parts', minShareCount: 2, test: parts },
          ],
        },
      },
    },
  },
  server: {
    // For working on the UI against a console that runs with --insecure-http.
    proxy: { '/api': { target: 'http://127.0.0.1:8080', ws: true } },
  },
  test: { environment: 'jsdom', include: ['src/**/*.test.{ts,tsx}'], setupFiles: ['src/test-setup.ts'] },
});
