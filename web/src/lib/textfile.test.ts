import { describe, expect, it } from 'vitest';
import { encodingOf } from './textfile';

const decode = (...bytes: number[]) => new TextDecoder(encodingOf(new Uint8Array(bytes))).decode(new Uint8Array(bytes));

describe('the encoding of a file', () => {
  it.each([
    ['UTF-8', [0x61, 0xc3, 0xa9]],
    ['UTF-8 with a mark', [0xef, 0xbb, 0xbf, 0x61, 0xc3, 0xa9]],
    ['UTF-16 little-endian', [0xff, 0xfe, 0x61, 0, 0xe9, 0]],
    ['UTF-16 big-endian', [0xfe, 0xff, 0, 0x61, 0, 0xe9]],
    ['UTF-16 little-endian without a mark', [0x61, 0, 0xe9, 0]],
    ['UTF-16 big-endian without a mark', [0, 0x61, 0, 0xe9]],
  ])('%s', (_, bytes) => {
    expect(decode(...bytes)).toBe('aé');
  });
  it('is UTF-8 for a file of nothing or one character', () => {
    expect(decode()).toBe('');
    expect(decode(0x61)).toBe('a');
  });
});
