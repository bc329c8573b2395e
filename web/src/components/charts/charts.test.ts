import { expect, test } from 'vitest';
import { charts, fields, figure, hasValues, units } from './figures';
import { sparkPath } from './sparkline';

test('a gap breaks a sparkline, a lone point is a dot, and nothing is no line', () => {
  expect(sparkPath([1, 2, null, 4], 30, 10, 4)).toBe('M0 7.5L10 5M30 0h1');
  expect(sparkPath([null, null], 30, 10, 4)).toBe('');
  expect(sparkPath([], 30, 10, 4)).toBe('');
});

test('zero is drawn at the bottom, and what exceeds the top stays inside', () => {
  expect(sparkPath([0, 9], 10, 10, 4)).toBe('M0 10L10 0');
});

test('figures carry their units', () => {
  expect(figure(250_000_000, 'cores', 'en')).toBe('0.25');
  expect(figure(5 * 1024 * 1024, 'bytesPerSecond', 'en')).toBe('5 MiB/s');
  expect(figure(90_500_000_000, 'coreSeconds', 'en')).toBe('90.5 s');
  expect(figure(9.76, 'perSecond', 'en')).toBe('9.8/s');
  expect(figure(0, 'bytes', 'en')).toBe('0 B');
});

test('every chart has one unit, of fields that the table has too', () => {
  for (const c of charts) {
    expect(new Set(c.fields.map((f) => units[f])).size).toBe(1);
    for (const f of c.fields) expect(fields).toContain(f);
  }
});

test('a history of gaps has no values', () => {
  const history = { source: 'memory', fromMs: 0, toMs: 1, timesMs: [0, 1], series: { cpuUsageNanoCores: [null, null], swapUsageBytes: [null, 0] } } as never;
  expect(hasValues(history, ['cpuUsageNanoCores'])).toBe(false);
  expect(hasValues(history, ['swapUsageBytes'])).toBe(true);
  expect(hasValues(undefined, ['swapUsageBytes'])).toBe(false);
});
