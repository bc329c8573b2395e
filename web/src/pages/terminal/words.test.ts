import { expect, test } from 'vitest';
import { wordsOf } from './words';

test.each([
  ['', []],
  ['  ls   -l ', ['ls', '-l']],
  ['sh -c "echo hello  world"', ['sh', '-c', 'echo hello  world']],
  ["echo '' 'a \"b\"'", ['echo', '', 'a "b"']],
  ['a\\ b "c\\"d"', ['a b', 'c"d']],
  ['echo "open', undefined],
])('words of %j', (text, want) => expect(wordsOf(text)).toEqual(want));
