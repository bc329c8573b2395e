// @vitest-environment node
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { withoutFonts, withoutThemes, withoutUnused } from '../unused-tokens';

const dist = join(import.meta.dirname, '../../internal/webui/dist');

interface Chunk {
  file: string;
  css?: string[];
  imports?: string[];
}

/** Files that a browser has loaded once it has loaded these sources. */
function loaded(manifest: Record<string, Chunk>, sources: string[]): Set<string> {
  const seen = new Set<string>();
  const files = new Set<string>();
  const visit = (key: string) => {
    if (seen.has(key)) return;
    seen.add(key);
    const chunk = manifest[key];
    if (!chunk) throw new Error(`the build has no ${key}: does the page still exist?`);
    for (const f of [chunk.file, ...(chunk.css ?? [])]) files.add(f);
    chunk.imports?.forEach(visit);
  };
  sources.forEach(visit);
  return files;
}

describe('what is loaded up to the settings form', () => {
  const file = join(dist, '.vite/manifest.json');
  for (const language of ['en', 'zh']) {
    test(`is at most 350 kB, gzipped (${language})`, () => {
      expect(existsSync(file), 'the built UI is missing: npm run build').toBe(true);
      const manifest = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Chunk>;
      const files = loaded(manifest, ['index.html', ...(language === 'en' ? [] : [`src/locales/${language}.json`]), 'src/pages/clusters.tsx', 'src/pages/kubeedge/kubeedge.tsx']);
      const sizes = [...files].map((f) => [gzipSync(readFileSync(join(dist, f))).length, f] as const);
      const total = sizes.reduce((sum, [size]) => sum + size, 0);
      const largest = sizes.sort(([a], [b]) => b - a).slice(0, 12);
      expect(files.size).toBeGreaterThan(10);
      expect(total, largest.map(([size, f]) => `${size} ${f}`).join('\n')).toBeLessThanOrEqual(350_000);
    });
  }
});

test('only tokens that nothing refers to are dropped', () => {
  const css = ':root{--a: var(--b);--b:1;--c:2;--d:var(--e);--e:3;--url:url("data:x;--c:1");color:var(--a)}';
  expect(withoutUnused(css, new Set(['--e']))).toBe(':root{--a: var(--b);--b:1;--e:3;color:var(--a)}');
});

test('fonts and their icons are dropped, and nothing else', () => {
  const css = '@font-face {font-family: "F"; src: url("f.woff2")}.pf-v6-pficon-a:before,\n.pf-v6-pficon-b:before {content:"a"}.pf-v6-c:before{content:"b"}';
  expect(withoutFonts(css)).toBe('.pf-v6-c:before{content:"b"}');
});

test('themes that the console does not offer are dropped, and nothing else', () => {
  const css = ':root{--a:1}:root:where(.pf-v6-theme-felt.pf-v6-theme-high-contrast) {\n--a:2}:root:where(.pf-v6-theme-dark){--a:3}:root:where(.pf-v6-theme-dark.pf-v6-theme-glass){--a:4}';
  expect(withoutThemes(css)).toBe(':root{--a:1}:root:where(.pf-v6-theme-dark){--a:3}');
});
