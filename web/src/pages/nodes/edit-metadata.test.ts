import { expect, test } from 'vitest';
import { changeOf } from './edit-metadata';

const node = {
  labels: { 'kubernetes.io/hostname': 'e1', site: 'berlin', rack: '7' },
  taints: [
    { key: 'node.kubernetes.io/unreachable', effect: 'NoExecute' },
    { key: 'gpu', value: 'yes', effect: 'NoSchedule' },
    { key: 'old', effect: 'NoSchedule' },
  ],
};

test('only what differs is sent, and nothing of Kubernetes', () => {
  const taints = [
    { key: 'gpu', value: 'no', effect: 'NoSchedule' },
    { key: 'new', value: '', effect: 'NoExecute' },
  ];
  expect(changeOf(node, { site: 'bonn', row: '2' }, taints)).toEqual({
    labels: { site: 'bonn', row: '2', rack: null },
    setTaints: taints,
    removeTaints: [{ key: 'old', effect: 'NoSchedule' }],
  });
});

test('nothing is sent when nothing was edited', () => {
  const taints = [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }, { key: 'old', value: '', effect: 'NoSchedule' }];
  expect(changeOf(node, { site: 'berlin', rack: '7' }, taints)).toEqual({ labels: {}, setTaints: [], removeTaints: [] });
});
