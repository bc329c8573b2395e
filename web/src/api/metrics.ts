import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, data } from './client';

/** edge-watcher takes a sample every 10 s of what somebody looks at. */
const every = 10_000;

export const nodeSamplesQuery = (cluster: string, node: string, sinceSeconds: number) =>
  queryOptions({
    queryKey: ['node-samples', cluster, node, sinceSeconds],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/nodes/{node}/samples', { params: { path: { cluster, node }, query: { sinceSeconds } } })),
    refetchInterval: every,
    placeholderData: keepPreviousData,
  });

export const podSamplesQuery = (cluster: string, namespace: string, pod: string, sinceSeconds: number) =>
  queryOptions({
    queryKey: ['pod-samples', cluster, namespace, pod, sinceSeconds],
    queryFn: () =>
      data(api.GET('/api/v1/clusters/{cluster}/pods/{namespace}/{pod}/samples', { params: { path: { cluster, namespace, pod }, query: { sinceSeconds } } })),
    refetchInterval: every,
    placeholderData: keepPreviousData,
  });

export const trendsQuery = (cluster: string, sinceSeconds: number) =>
  queryOptions({
    queryKey: ['trends', cluster, sinceSeconds],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/metrics/trends', { params: { path: { cluster }, query: { sinceSeconds } } })),
    refetchInterval: 15_000,
    placeholderData: keepPreviousData,
  });
