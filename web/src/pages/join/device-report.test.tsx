import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import { beforeAll, expect, test } from 'vitest';
import type { Schemas } from '../../api/client';
import { startI18n } from '../../lib/i18n';
import { DeviceReport } from './device-report';

beforeAll(() => startI18n('en'));

const base: Schemas['Enrollment'] = {
  name: 'e', nodeName: 'edge-1', nodeIP: '192.168.100.1', arch: 'amd64', state: 'Active', phase: 'Pending', edgeStream: true, conditions: [], created: '2026-11-01T12:00:00Z',
};

function show(part: Partial<Schemas['Enrollment']>) {
  return render(
    <QueryClientProvider client={new QueryClient()}>
      <DeviceReport cluster="c" e={{ ...base, ...part }} />
    </QueryClientProvider>,
  );
}

const condition = (type: string, message: string): Schemas['Condition'] => ({ type, status: 'False', reason: 'X', message, since: '2026-11-01T12:00:00Z' });

test('each failed check is shown with its remedy, as text', () => {
  const { container } = show({
    conditions: [condition('DeviceChecked', 'summary')],
    failedChecks: [
      { id: 'runtime', title: 'container runtime', detail: 'there is no socket /x', remedy: 'install containerd' },
      { id: 'evil', title: '<img src=x onerror=alert(1)>' },
    ],
  });
  expect(screen.getByText('container runtime')).toBeTruthy();
  expect(container.textContent).toContain('there is no socket /x');
  expect(container.textContent).toContain('→ install containerd');
  expect(screen.getByText('<img src=x onerror=alert(1)>')).toBeTruthy();
  expect(container.querySelector('img')).toBeNull();
});

test('a join that failed otherwise tells its reason, and its name can be freed', () => {
  const { container } = show({ phase: 'CertificateIssued', conditions: [condition('DeviceChecked', 'no space left on device')] });
  expect(container.textContent).toContain('no space left on device');
  expect(screen.getByRole('button', { name: 'Give up this join' })).toBeTruthy();
});

test('a refused code is told, a healthy device is not', () => {
  expect(show({ conditions: [condition('CodeAccepted', 'this join code has been used already')] }).container.textContent).toContain('has been used already');
  expect(show({ conditions: [] }).container.textContent).toBe('');
});
