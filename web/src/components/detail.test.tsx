import { render, screen } from '@testing-library/react';
import { beforeAll, expect, test } from 'vitest';
import { setLanguage, startI18n } from '../lib/i18n';
import { Age, Restarts } from './detail';
import { PodStatus } from './status';

beforeAll(() => startI18n('en'));

const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000 - 60_000).toISOString();

test.each([
  ['en' as const, '2d2h', '4d4h ago', '3 (2d2h ago)'],
  ['zh' as const, '2d2h', '4d4h 前', '3 (2d2h 前)'],
])('ages in %s are as kubectl writes them', async (language, age, heartbeat, restarts) => {
  await setLanguage(language);
  const { container } = render(
    <>
      <p>
        <Age at={hoursAgo(50)} />
      </p>
      <p>
        <Age at={hoursAgo(100)} ago />
      </p>
      <p>
        <Restarts pod={{ restarts: 3, restarted: hoursAgo(50) }} />
      </p>
      <p>
        <Restarts pod={{ restarts: 0 }} />
      </p>
    </>,
  );
  expect([...container.querySelectorAll('p')].map((p) => p.textContent)).toEqual([age, heartbeat, restarts, '0']);
  await setLanguage('en');
});

test('statuses that are not one word are shown as kubectl prints them', () => {
  render(
    <>
      <PodStatus status="Init:0/1" />
      <PodStatus status="Init:CrashLoopBackOff" />
      <PodStatus status="Terminating" />
    </>,
  );
  for (const text of ['Init:0/1', 'Init:CrashLoopBackOff', 'Terminating']) expect(screen.getByText(text)).toBeTruthy();
});
