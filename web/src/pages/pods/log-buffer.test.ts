import { describe, expect, test } from 'vitest';
import { LogBuffer } from './log-buffer';
import { resumeOf, type LogChoice } from './log-stream';

const limits = { lines: 1000, chars: 1 << 20, line: 1 << 20 };
const texts = (b: LogBuffer) => b.lines.map((l) => l.text);
const choice: LogChoice = { cluster: 'c', namespace: 'n', pod: 'p', workload: '', container: 'main', tail: 5, since: 0, previous: false, follow: true };

describe('LogBuffer', () => {
  test('joins the pieces of a long line, also when others come between', () => {
    const b = new LogBuffer(limits, true);
    b.add({ seq: 1, event: 'source', from: { pod: 'a', container: 'x', node: '' } });
    b.add({ seq: 2, event: 'source', source: 1, from: { pod: 'b', container: 'x', node: '' } });
    b.add({ seq: 3, lines: [{ t: 'T', s: 'one ', c: true }, { t: 'T', s: 'other', o: 1 }] });
    b.add({ seq: 4, lines: [{ t: 'T', s: 'two', k: true }, { t: 'U', s: 'next' }] });
    expect(texts(b)).toEqual(['one two', 'other', 'next']);
    expect(b.lines.map((l) => l.source)).toEqual([0, 1, 0]);
  });

  test('drops the oldest lines and says how many; ids stay', () => {
    const b = new LogBuffer({ ...limits, lines: 2 });
    b.add({ seq: 1, lines: ['a', 'b', 'c'].map((s) => ({ s })) });
    expect([texts(b), b.dropped, b.first, b.line(2)?.text]).toEqual([['b', 'c'], 1, 1, 'c']);
  });

  test('is bounded in characters too, of all lines and of one', () => {
    const b = new LogBuffer({ lines: 1000, chars: 100, line: 40 });
    b.add({ seq: 1, lines: [{ s: 'x'.repeat(30), c: true }, { s: 'x'.repeat(30), k: true }] });
    expect(b.lines[0]?.text.length).toBe(40);
    expect(b.lines[0]?.cut).toBe(20);
    b.add({ seq: 2, lines: Array.from({ length: 10 }, () => ({ s: 'y'.repeat(20) })) });
    expect(texts(b).join('').length).toBeLessThanOrEqual(100);
    expect(b.dropped + b.lines.length).toBe(11);
  });

  test('tells connecting, silence, a cut and the end apart', () => {
    const b = new LogBuffer(limits);
    expect(b.status).toBe('connecting');
    b.add({ seq: 1, event: 'opened' });
    expect(b.status).toBe('live');
    b.add({ seq: 2, event: 'interrupted', cause: 'TunnelDown', message: 'EOF' });
    expect([b.status, b.sources[0]?.cause, b.sources[0]?.message]).toEqual(['interrupted', 'TunnelDown', 'EOF']);
    b.add({ seq: 3, event: 'resumed' });
    expect([b.status, b.sources[0]?.cause]).toEqual(['live', undefined]);
    b.add({ seq: 4, event: 'waiting', message: 'CrashLoopBackOff' });
    expect(b.status).toBe('waiting');
    b.add({ seq: 5, event: 'restarted' });
    b.add({ seq: 6, lines: [{ t: 'T', s: 'again' }] });
    expect([b.status, texts(b)]).toEqual(['live', ['', 'again']]);
    b.add({ seq: 7, event: 'end', cause: 'PodGone' });
    expect([b.status, b.sources[0]?.cause]).toEqual(['ended', 'PodGone']);
  });

  test('counts what the console left out, in its place', () => {
    const b = new LogBuffer(limits);
    b.add({ seq: 1, lines: [{ s: 'a' }], event: 'skipped', count: 7 });
    b.add({ seq: 2, lines: [{ s: 'b' }] });
    expect(b.skipped).toBe(7);
    expect(b.lines.map((l) => l.remark ?? l.text)).toEqual(['a', 'skipped', 'b']);
  });

  test('goes on behind the last whole line, and sources keep their place', () => {
    const b = new LogBuffer(limits);
    b.add({ seq: 1, lines: [{ t: 'T1', s: 'a' }, { t: 'T2', s: 'b' }, { t: 'T2', s: 'c' }, { t: 'T3', s: 'begun', c: true }] });
    expect(resumeOf(b, choice)).toEqual(['p/main@T2+2']);
    b.connected();
    b.add({ seq: 1, lines: [{ t: 'T3', s: 'begun anew' }] });
    expect(texts(b).filter(Boolean)).toEqual(['a', 'b', 'c', 'begun anew']);

    const m = new LogBuffer(limits, true);
    const source = (n: number, pod: string) => m.add({ seq: 1, event: 'source', source: n, from: { pod, container: 'x', node: '' } });
    source(0, 'b');
    m.add({ seq: 2, lines: [{ t: 'T', s: 'from b' }] });
    m.connected();
    source(0, 'a');
    source(1, 'b');
    m.add({ seq: 3, lines: [{ t: 'U', s: 'more from b', o: 1 }] });
    expect(m.lines.map((l) => m.sources[l.source]?.pod)).toEqual(['b', 'b']);
  });
});
