import { expect, test } from 'vitest';
import { ahead } from './ahead';
import { pagePaths } from './app';

test('every page of the router says what it needs first, and nothing else does', () => {
  expect(ahead.map((a) => a.path).sort()).toEqual([...pagePaths].sort());
});
