import { describe, expect, test } from 'vitest';
import { parseAnsi, partsOf, plain } from './ansi';

describe('parseAnsi', () => {
  test.each([
    ['plain', 'plain', []],
    ['\u001b[31mred\u001b[0m rest', 'red rest', [{ at: 0, style: 'sgr-f1' }, { at: 3, style: '' }]],
    ['\u001b[1;94mbold blue', 'bold blue', [{ at: 0, style: 'sgr-f12 sgr-bold' }]],
    ['\u001b[38;2;255;0;0mtrue\u001b[48;5;21mground', 'trueground', [{ at: 0, style: 'sgr-f9' }, { at: 4, style: 'sgr-b12' }]],
    ['\u001b[7minverse', 'inverse', [{ at: 0, style: 'sgr-b7' }]],
  ])('%j', (raw, text, runs) => expect(parseAnsi(raw)).toMatchObject({ text, runs }));

  test('every other sequence is left out', () => {
    for (const s of ['\u001b]0;title\u0007', '\u001b]8;;http://evil\u001b\\', '\u001b[2J', '\u001b[1000A', '\u001bP+q\u001b\\', '\u001bc', '\u009b31m', '\u001b']) {
      expect(parseAnsi(`a${s}b`.replace('\u001bb', '\u001b')).text.replace('b', '')).toBe('a');
    }
  });

  test('control characters are shown, and none reorders text', () => {
    expect(parseAnsi('a\u0000b\rc\u007f\td').text).toBe('a\u2400b\u240dc\u2421\td');
    expect(parseAnsi('a\u202eb\u2066c\u2028d').text).toBe('a\ufffdb\ufffdc\ufffdd');
  });

  test('a style goes on in the next piece', () => {
    const { end } = parseAnsi('\u001b[32mgreen');
    expect(parseAnsi('still', end).runs).toEqual([{ at: 0, style: 'sgr-f2' }]);
    expect(parseAnsi('plain', plain).runs).toEqual([]);
  });
});

test('partsOf cuts at styles and matches', () => {
  const { text, runs } = parseAnsi('ab\u001b[31mcdef\u001b[0mgh');
  expect(partsOf(text, runs, [[1, 3], [5, 7]])).toEqual([
    { text: 'a', style: '', hit: false },
    { text: 'b', style: '', hit: true },
    { text: 'c', style: 'sgr-f1', hit: true },
    { text: 'de', style: 'sgr-f1', hit: false },
    { text: 'f', style: 'sgr-f1', hit: true },
    { text: 'g', style: '', hit: true },
    { text: 'h', style: '', hit: false },
  ]);
  expect(partsOf('', [], [])).toEqual([]);
});
