import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HtmlTagDescriptor, Manifest, Plugin } from 'vite';
import { ahead } from './src/ahead.ts';

/** Of one page, as the server reads it from ahead.json. */
interface Preload {
  path: string;
  scripts: string[];
  styles: string[];
  data: string[];
}

/** Chunks that all pages share: index.html names their files. */
const shared = ['page', 'parts'];

/** The files that a module brings along, without those that index.html names. */
function filesOf(manifest: Manifest, source: string): { scripts: string[]; styles: string[] } {
  const seen = new Set<string>();
  const visit = (key: string): void => {
    const chunk = manifest[key];
    if (!chunk) throw new Error(`the build has no ${key}: does src/ahead.ts name a page that is gone?`);
    if (seen.has(key)) return;
    seen.add(key);
    chunk.imports?.forEach(visit);
  };
  for (const [key, chunk] of Object.entries(manifest)) {
    if (chunk.isEntry || shared.includes(chunk.name ?? '')) visit(key);
  }
  const named = new Set(seen);
  visit(source);
  const chunks = [...seen].filter((key) => !named.has(key)).map((key) => manifest[key]);
  return { scripts: chunks.flatMap((c) => c?.file ?? []), styles: [...new Set(chunks.flatMap((c) => c?.css ?? []))] };
}

/**
 * Lets the browser fetch what pages share while it still reads the first file, which
 * only then asks for the page, and writes down what each page needs beyond that.
 */
export function preloadPages(): Plugin {
  return {
    name: 'preload-pages',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (_, { bundle }) =>
        Object.values(bundle ?? {})
          .filter((f) => f.type === 'chunk' && shared.includes(f.name))
          .flatMap((f): HtmlTagDescriptor[] => [
            { tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${f.fileName}` }, injectTo: 'head' },
            ...[...((f.type === 'chunk' && f.viteMetadata?.importedCss) || [])].map(
              (css): HtmlTagDescriptor => ({ tag: 'link', attrs: { rel: 'stylesheet', crossorigin: true, href: `/${css}` }, injectTo: 'head' }),
            ),
          ]),
    },
    writeBundle({ dir = '.' }) {
      const manifest = JSON.parse(readFileSync(join(dir, '.vite/manifest.json'), 'utf8')) as Manifest;
      const pages = ahead.map(({ path, source, data }): Preload => ({ path, ...filesOf(manifest, source), data }));
      writeFileSync(join(dir, 'ahead.json'), `${JSON.stringify(pages, undefined, 1)}\n`);
    },
  };
}
