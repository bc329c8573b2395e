import { expect, test } from 'vitest';
import ages from './ages.json';
import { humanDuration } from './format';

test.each(ages)('$seconds seconds are $text', ({ seconds, text }) => {
  expect(humanDuration(seconds * 1000)).toBe(text);
});
