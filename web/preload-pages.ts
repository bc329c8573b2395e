import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HtmlTagDescriptor, Manifest, Plugin, Rolldown } from 'vite';
import { ahead } from './src/ahead.ts';

/** Of one page, as the server reads it from ahead.json. */
interface Preload {
  path: string;
  scripts: string[];
  styles: string[];
  data: string[];
}

type Bundle = Rolldown.OutputBundle;

/** Files of chunks that all pages share: the HTML names them. */
function shared(bundle: Bundle): Rolldown.OutputChunk[] {
  return Object.values(bundle).filter((f) => f.type === 'chunk').filter((f) => ['page', 'parts'].includes(f.name));
}

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
  const entry = Object.keys(manifest).find((key) => manifest[key]?.isEntry);
  visit(entry ?? 'index.html');
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
        shared(bundle ?? {}).flatMap((f): HtmlTagDescriptor[] => [
          { tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${f.fileName}` }, injectTo: 'head' },
          ...[...(f.viteMetadata?.importedCss ?? [])].map(
            (css): HtmlTagDescriptor => ({ tag: 'link', attrs: { rel: 'stylesheet', crossorigin: true, href: `/${css}` }, injectTo: 'head' }),
          ),
        ]),
    },
    writeBundle(options, bundle) {
      const dir = options.dir ?? '.';
      const manifest = JSON.parse(readFileSync(join(dir, '.vite/manifest.json'), 'utf8')) as Manifest;
      const common = new Set(shared(bundle).map((f) => f.fileName).concat(shared(bundle).flatMap((f) => [...(f.viteMetadata?.importedCss ?? [])])));
      const pages = ahead.map(({ path, source, data }): Preload => {
        const { scripts, styles } = filesOf(manifest, source);
        const own = (files: string[]) => files.filter((f) => !common.has(f));
        return { path, scripts: own(scripts), styles: own(styles), data };
      });
      writeFileSync(join(dir, 'ahead.json'), `${JSON.stringify(pages, undefined, 1)}\n`);
    },
  };
}
