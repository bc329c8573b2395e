import type { HtmlTagDescriptor, Plugin } from 'vite';

/**
 * Lets the browser fetch what pages share while it still reads the first file, which
 * only then asks for the page.
 */
export function preloadPages(): Plugin {
  return {
    name: 'preload-pages',
    apply: 'build',
    transformIndexHtml: {
      order: 'post',
      handler: (_, { bundle }) =>
        Object.values(bundle ?? {})
          .filter((f) => f.type === 'chunk' && ['page', 'parts'].includes(f.name))
          .flatMap((f): HtmlTagDescriptor[] => [
            { tag: 'link', attrs: { rel: 'modulepreload', crossorigin: true, href: `/${f.fileName}` }, injectTo: 'head' },
            ...[...((f.type === 'chunk' && f.viteMetadata?.importedCss) || [])].map(
              (css): HtmlTagDescriptor => ({ tag: 'link', attrs: { rel: 'stylesheet', crossorigin: true, href: `/${css}` }, injectTo: 'head' }),
            ),
          ]),
    },
  };
}
