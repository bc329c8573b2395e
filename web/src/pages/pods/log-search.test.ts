import { describe, expect, test, vi } from 'vitest';
import { LogBuffer } from './log-buffer';
import { LogSearch, type SearchWorker } from './log-search';
import { answerer, patternOf, spansIn, type Answer, type Ask } from './log-search-core';

/** The worker's code without its thread. */
function inPage(): SearchWorker {
  const answer = answerer();
  const w: SearchWorker = {
    onmessage: null,
    terminate: () => (w.onmessage = null),
    postMessage: (ask: Ask) => queueMicrotask(() => w.onmessage?.({ data: answer(ask) } as MessageEvent<Answer>)),
  };
  return w;
}

function logOf(...lines: string[]): LogBuffer {
  const b = new LogBuffer({ lines: 3, chars: 1 << 20, line: 1 << 20 });
  b.add({ seq: 1, lines: lines.map((s) => ({ s })) });
  return b;
}

const settled = (s: LogSearch) => vi.waitFor(() => expect(s.state).not.toBe('busy'));

describe('LogSearch', () => {
  test('finds lines that match, and those that come later', async () => {
    const b = logOf('Alpha', 'beta', 'alpha beta');
    const s = new LogSearch(b, inPage);
    s.query({ text: 'ALPHA', regex: false, matchCase: false });
    await settled(s);
    expect(s.ids).toEqual([0, 2]);
    expect(s.spansOf(2, 'alpha beta')).toEqual([]);
    s.go();
    await vi.waitFor(() => expect(s.spansOf(2, 'alpha beta')).toEqual([[0, 5]]));
    b.add({ seq: 2, lines: [{ s: 'alpha again' }] });
    s.update();
    await vi.waitFor(() => expect(s.ids).toEqual([2, 3]));
  });

  test('says what is wrong with a pattern', async () => {
    const s = new LogSearch(logOf('a'), inPage);
    s.query({ text: '(', regex: true, matchCase: false });
    await settled(s);
    expect(s.state).toBe('wrong');
    expect(s.error).toMatch(/group/i);
  });

  test('ends a pattern that takes too long', async () => {
    const terminate = vi.fn();
    const s = new LogSearch(logOf('a'), () => ({ onmessage: null, terminate, postMessage: () => undefined }), 10);
    s.query({ text: '(a+)+$', regex: true, matchCase: false });
    await settled(s);
    expect(s.state).toBe('slow');
    expect(terminate).toHaveBeenCalled();
  });
});

test.each([
  ['a.c', false, false, 'abc a.c', [[4, 7]]],
  ['a.c', true, false, 'abc A.C', [[0, 3], [4, 7]]],
  ['A', false, true, 'a A', [[2, 3]]],
  ['x*', true, false, 'axxb', [[1, 3]]],
] as const)('%j (regex %s, case %s) in %j', (text, regex, matchCase, line, want) => {
  expect(spansIn(line, patternOf({ text, regex, matchCase }))).toEqual(want);
});
