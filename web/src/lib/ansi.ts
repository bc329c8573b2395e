/** A stretch of text in one style, from `at` on. */
export interface Run {
  at: number;
  /** Classes of the style; empty for none. */
  style: string;
}

/** Style that a terminal would have at this point. */
export interface Sgr {
  fg: number;
  bg: number;
  bold: boolean;
  italic: boolean;
  underline: boolean;
  strike: boolean;
  inverse: boolean;
}

/** No color is -1; the sixteen colors are 0 to 15. */
export const plain: Sgr = { fg: -1, bg: -1, bold: false, italic: false, underline: false, strike: false, inverse: false };

// Matching control characters is the purpose of both.
// eslint-disable-next-line no-control-regex
const escapes = /(?:\u001b\[|\u009b)([0-?]*)[ -/]*([@-~])|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?/g;
// eslint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Control characters become their pictures; those that reorder text, a mark. */
function visible(text: string): string {
  return text.replace(controls, (c) => {
    const code = c.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? '\u2421' : '\ufffd';
  });
}

/**
 * Takes terminal escapes out of a line. Colors and weights become runs; every
 * other sequence, such as a title or a cursor movement, is left out.
 */
export function parseAnsi(raw: string, from: Sgr = plain): { text: string; runs: Run[]; end: Sgr } {
  if (!/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/.test(raw)) {
    return { text: raw, runs: from === plain ? [] : runOf(0, from), end: from };
  }
  let text = '';
  let end = from;
  let last = 0;
  const runs: Run[] = from === plain ? [] : runOf(0, from);
  for (const m of raw.matchAll(escapes)) {
    text += visible(raw.slice(last, m.index));
    last = m.index + m[0].length;
    if (m[2] !== 'm') continue;
    end = apply(end, m[1] ?? '');
    const style = classes(end);
    if ((runs.at(-1)?.style ?? '') !== style) runs.push({ at: text.length, style });
  }
  return { text: text + visible(raw.slice(last)), runs, end };
}

function runOf(at: number, s: Sgr): Run[] {
  const style = classes(s);
  return style ? [{ at, style }] : [];
}

/** Applies the parameters of one "select graphic rendition". */
function apply(s: Sgr, parameters: string): Sgr {
  const codes = parameters.split(/[;:]/).map((p) => Number(p === '' ? 0 : p));
  let out = { ...s };
  for (let i = 0; i < codes.length; i++) {
    const c = codes[i] ?? 0;
    if (c === 0) out = { ...plain };
    else if (c === 1) out.bold = true;
    else if (c === 3) out.italic = true;
    else if (c === 4) out.underline = true;
    else if (c === 7) out.inverse = true;
    else if (c === 9) out.strike = true;
    else if (c === 22) out.bold = false;
    else if (c === 23) out.italic = false;
    else if (c === 24) out.underline = false;
    else if (c === 27) out.inverse = false;
    else if (c === 29) out.strike = false;
    else if (c >= 30 && c <= 37) out.fg = c - 30;
    else if (c >= 90 && c <= 97) out.fg = c - 82;
    else if (c === 39) out.fg = -1;
    else if (c >= 40 && c <= 47) out.bg = c - 40;
    else if (c >= 100 && c <= 107) out.bg = c - 92;
    else if (c === 49) out.bg = -1;
    else if (c === 38 || c === 48) {
      const long = codes[i + 1] === 2;
      const color = long ? nearest(codes[i + 2] ?? 0, codes[i + 3] ?? 0, codes[i + 4] ?? 0) : indexed(codes[i + 2] ?? 0);
      if (c === 38) out.fg = color;
      else out.bg = color;
      i += long ? 4 : 2;
    }
  }
  return out;
}

/** One of 256 colors as one of sixteen. */
function indexed(n: number): number {
  if (n < 16) return Math.max(0, n);
  if (n >= 232) return nearest((n - 232) * 10 + 8, (n - 232) * 10 + 8, (n - 232) * 10 + 8);
  const step = (x: number) => (x === 0 ? 0 : 55 + x * 40);
  return nearest(step(Math.floor((n - 16) / 36) % 6), step(Math.floor((n - 16) / 6) % 6), step((n - 16) % 6));
}

/**
 * A true color as one of sixteen: a log may choose colors that nobody can read on
 * our ground, and ours all can be read.
 */
function nearest(r: number, g: number, b: number): number {
  const bright = Math.max(r, g, b) > 191 ? 8 : 0;
  const half = Math.max(r, g, b) / 2;
  const bits = (r > half ? 1 : 0) | (g > half ? 2 : 0) | (b > half ? 4 : 0);
  return bits === 7 && Math.max(r, g, b) < 128 ? 8 : bits + bright;
}

function classes(s: Sgr): string {
  const [fg, bg] = s.inverse ? [s.bg, s.fg < 0 ? 7 : s.fg] : [s.fg, s.bg];
  const out: string[] = [];
  // Text on a colored ground is always dark, so that it can be read.
  if (bg >= 0) out.push(`sgr-b${bg}`);
  else if (fg >= 0) out.push(`sgr-f${fg}`);
  if (s.bold) out.push('sgr-bold');
  if (s.italic) out.push('sgr-italic');
  if (s.underline) out.push('sgr-underline');
  if (s.strike) out.push('sgr-strike');
  return out.join(' ');
}

/** A part of a line to show. */
export interface Part {
  text: string;
  style: string;
  hit: boolean;
}

/** Cuts a line where its style changes and where a search matches. */
export function partsOf(text: string, runs: Run[], hits: readonly [number, number][]): Part[] {
  const cuts = new Set([0, text.length]);
  for (const r of runs) if (r.at < text.length) cuts.add(r.at);
  for (const [a, b] of hits) {
    if (a < text.length) cuts.add(a);
    if (b < text.length) cuts.add(b);
  }
  const at = [...cuts].sort((a, b) => a - b);
  const out: Part[] = [];
  let run = 0;
  let hit = 0;
  for (let i = 0; i + 1 < at.length; i++) {
    const [a, b] = [at[i] ?? 0, at[i + 1] ?? 0];
    while (run < runs.length && (runs[run]?.at ?? 0) <= a) run++;
    while (hit < hits.length && (hits[hit]?.[1] ?? 0) <= a) hit++;
    const h = hits[hit];
    out.push({ text: text.slice(a, b), style: runs[run - 1]?.style ?? '', hit: h !== undefined && h[0] <= a && a < h[1] });
  }
  return out;
}
