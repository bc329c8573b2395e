import { describe, expect, test } from 'vitest';
import { addFrame, clean, emptyLog, highlight } from './log-buffer';

describe('addFrame', () => {
  test('joins the pieces of a long line', () => {
    const a = addFrame(emptyLog, { seq: 1, lines: [{ t: 'T', s: 'one ', c: true }] });
    const b = addFrame(a, { seq: 2, lines: [{ s: 'two' }, { s: 'next' }] });
    expect(b.lines.map((l) => l.text)).toEqual(['one two', 'next']);
    expect(b.status).toBe('live');
  });

  test('drops the oldest lines and says how many', () => {
    const log = addFrame(emptyLog, { seq: 1, lines: ['a', 'b', 'c'].map((s) => ({ s })) }, 2);
    expect(log.lines.map((l) => l.text)).toEqual(['b', 'c']);
    expect(log.dropped).toBe(1);
    expect(addFrame(log, { seq: 2, lines: [{ s: 'd' }] }, 2).lines.map((l) => l.id)).toEqual([2, 3]);
  });

  test('an interruption keeps what was there, and ends when the log resumes', () => {
    const live = addFrame(emptyLog, { seq: 1, lines: [{ s: 'a' }] });
    const cut = addFrame(live, { seq: 2, event: 'interrupted', cause: 'TunnelDown', message: 'EOF' });
    expect(cut).toMatchObject({ status: 'interrupted', cause: 'TunnelDown', message: 'EOF' });
    expect(cut.lines).toHaveLength(1);
    expect(addFrame(cut, { seq: 3, event: 'resumed' })).toMatchObject({ status: 'live', cause: undefined });
    expect(addFrame(cut, { seq: 3, event: 'end', cause: 'PodGone' })).toMatchObject({ status: 'ended', cause: 'PodGone' });
  });
});

test('clean takes terminal escapes out and shows other control characters', () => {
  expect(clean('\u001b[31mred\u001b[0m \u001b]0;title\u0007x\u0000y\tz')).toBe('red x\u2400y\tz');
});

test('highlight finds every match in whatever case', () => {
  expect(highlight('Foo bar foo', 'foo')).toEqual([
    { text: 'Foo', hit: true },
    { text: ' bar ', hit: false },
    { text: 'foo', hit: true },
  ]);
  expect(highlight('<b>', '')).toEqual([{ text: '<b>', hit: false }]);
});
