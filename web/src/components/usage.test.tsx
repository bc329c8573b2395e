import { render, screen } from '@testing-library/react';
import { beforeAll, expect, test } from 'vitest';
import { startI18n } from '../lib/i18n';
import { Cpu, Memory } from './usage';

beforeAll(() => startI18n('en'));

test('a figure that is not there is unavailable, never zero', () => {
  render(<Cpu usage={{ available: false, cause: 'NoSample', message: 'no sample' }} of={4e9} />);
  expect(screen.getByText('unavailable')).toBeTruthy();
  expect(screen.queryByText(/\b0\b/)).toBeNull();
});

test('figures carry units and their share', () => {
  render(
    <>
      <Cpu usage={{ available: true, cpuNanoCores: 250_000_000 }} of={1e9} />
      <Memory usage={{ available: true, memoryBytes: 64 * 1024 * 1024 }} />
    </>,
  );
  expect(screen.getByText(/0\.25 cores · 25%/)).toBeTruthy();
  expect(screen.getByText('64 MiB')).toBeTruthy();
});
