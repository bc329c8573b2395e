import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Plugin } from 'vite';

const declaration = /(--[\w-]+)\s*:((?:[^;{}"']|"[^"]*"|'[^']*')*);/g;
const name = /--[\w-]+/g;
const reference = /var\(\s*(--[\w-]+)/g;

function texts(dir: string, kinds: RegExp): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((f) => f.isFile() && kinds.test(f.name))
    .map((f) => readFileSync(join(f.parentPath, f.name), 'utf8'));
}

const face = /@font-face\s*{[^}]*}/g;
const icon = /(\.pf-v6-pficon[\w-]*:before,?\s*)+{[^}]*}/g;

/** CSS without fonts, and without the icons of one of them: we use the reader's own fonts, and icons of SVG. */
export function withoutFonts(css: string): string {
  return css.replace(face, '').replace(icon, '');
}

const theme = /[^{}]*\.pf-v6-theme-(?:high-contrast|felt|glass)[^{}]*{[^{}]*}/g;

/** CSS without the themes that the console does not offer. */
export function withoutThemes(css: string): string {
  return css.replace(theme, '');
}

/** CSS without the custom properties that neither it nor `used` refers to. */
export function withoutUnused(css: string, used: ReadonlySet<string>): string {
  for (;;) {
    const wanted = new Set(used);
    for (const m of css.matchAll(reference)) wanted.add(m[1] ?? '');
    const kept = css.replace(declaration, (whole, property: string) => (wanted.has(property) ? whole : ''));
    if (kept === css) return css;
    css = kept; // what only the dropped ones referred to goes in the next round
  }
}

/**
 * Drops the design tokens of PatternFly's base that nothing can use: no component of
 * PatternFly, whether we show it or not, and no file of ours; and its fonts and other
 * themes. It works on the source, so that the names of built files still tell their content.
 */
export function unusedTokens(): Plugin {
  let used = new Set<string>();
  return {
    name: 'unused-tokens',
    apply: 'build',
    enforce: 'pre',
    buildStart() {
      const styles = dirname(createRequire(import.meta.url).resolve('@patternfly/react-styles/package.json'));
      const found = (all: string[], pattern: RegExp) => all.flatMap((text) => [...text.matchAll(pattern)].map((m) => m[1] ?? m[0]));
      used = new Set([...found(texts(join(styles, 'css'), /\.css$/), reference), ...found(texts('src', /\.(tsx?|css)$/), name)]);
    },
    transform(code, id) {
      return /react-core\/dist\/styles\/base\.css$/.test(id) ? { code: withoutUnused(withoutThemes(withoutFonts(code)), used), map: null } : undefined;
    },
  };
}
