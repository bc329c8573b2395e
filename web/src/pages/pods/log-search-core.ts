/** A search as the user typed it. */
export interface Query {
  text: string;
  regex: boolean;
  matchCase: boolean;
}

/** From and to of a match. */
export type Span = [number, number];

/** Matches that are shown of one line. */
export const spansOfLine = 200;

/** The pattern of a query; throws a SyntaxError that says what is wrong with it. */
export function patternOf(q: Query): RegExp {
  const source = q.regex ? q.text : q.text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(source, `gu${q.matchCase ? '' : 'i'}`);
}

/** Where a pattern matches, empty matches left out. */
export function spansIn(text: string, pattern: RegExp, most = spansOfLine): Span[] {
  const out: Span[] = [];
  pattern.lastIndex = 0;
  for (const m of text.matchAll(pattern)) {
    if (m[0] === '') continue;
    out.push([m.index, m.index + m[0].length]);
    if (out.length >= most) break;
  }
  return out;
}

/** What the page asks the worker. */
export type Ask =
  | { kind: 'query'; query: Query; generation: number }
  | { kind: 'lines'; first: number; texts: string[]; generation: number }
  | { kind: 'spans'; ids: number[]; texts: string[]; generation: number };

/** What the worker answers, one for each question. */
export type Answer =
  | { kind: 'query'; generation: number; error?: string }
  | { kind: 'lines'; generation: number; ids: number[] }
  | { kind: 'spans'; generation: number; spans: [number, Span[]][] };

/** The worker's side: one question after the other. */
export function answerer(): (ask: Ask) => Answer {
  let pattern: RegExp | undefined;
  const hit = (text: string) => {
    if (!pattern) return false;
    pattern.lastIndex = 0;
    return pattern.test(text);
  };
  return (ask) => {
    const { generation } = ask;
    switch (ask.kind) {
      case 'query':
        pattern = undefined;
        try {
          pattern = patternOf(ask.query);
        } catch (e) {
          return { kind: 'query', generation, error: e instanceof Error ? e.message : String(e) };
        }
        return { kind: 'query', generation };
      case 'lines':
        return { kind: 'lines', generation, ids: ask.texts.flatMap((text, i) => (hit(text) ? [ask.first + i] : [])) };
      case 'spans':
        return { kind: 'spans', generation, spans: ask.ids.map((id, i) => [id, pattern ? spansIn(ask.texts[i] ?? '', pattern) : []]) };
    }
  };
}
