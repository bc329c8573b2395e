import { render, screen } from '@testing-library/react';
import { beforeAll, expect, test } from 'vitest';
import { startI18n } from '../../lib/i18n';
import { Plan } from './leave-plan';

beforeAll(() => startI18n('en'));

const empty = { evicted: [], unmanaged: [], localData: [], daemonSets: [], mirror: [], refused: [], online: true };

test('pods that are lost and evictions that are refused are named', () => {
  render(
    <Plan
      plan={{
        ...empty,
        evicted: ['a/web', 'a/bare'],
        unmanaged: ['a/bare'],
        mirror: ['kube-system/etcd'],
        refused: [{ pod: 'a/web', reason: 'This pod has more than one PodDisruptionBudget' }],
      }}
    />,
  );
  expect(screen.getByText('2 pods will be evicted.')).toBeTruthy();
  expect(screen.getByText(/gone for good: a\/bare/)).toBeTruthy();
  expect(screen.getByText(/only on the device: kube-system\/etcd/)).toBeTruthy();
  expect(screen.getByText(/a\/web: This pod has more than one PodDisruptionBudget/)).toBeTruthy();
  expect(screen.queryByText(/Local data/)).toBeNull();
});

test('a retirement that waits says for what', () => {
  render(<Plan plan={{ ...empty, retiring: 'after 10s 1 pod is still there: a/web' }} />);
  expect(screen.getByText('after 10s 1 pod is still there: a/web')).toBeTruthy();
});
