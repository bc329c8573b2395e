import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import { api, ApiError, data } from './client';

/** How often lists refresh themselves, in milliseconds. */
const live = 4_000;

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: () => data(api.GET('/api/v1/session')),
  retry: false,
  staleTime: 60_000,
});

export const signInMethodsQuery = queryOptions({
  queryKey: ['sign-in-methods'],
  queryFn: () => data(api.GET('/api/v1/sign-in-methods')),
  staleTime: Infinity,
});

export const clustersQuery = queryOptions({
  queryKey: ['clusters'],
  queryFn: () => data(api.GET('/api/v1/clusters')),
  // A cluster that has not answered yet is asked for again soon.
  refetchInterval: ({ state }) => (state.data?.some((c) => c.pending) ? 1_500 : 15_000),
  staleTime: live / 2, // as with kubeEdgeQuery
});

export const rightsQuery = (cluster: string) =>
  queryOptions({
    queryKey: ['rights', cluster],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/rights', { params: { path: { cluster } } })),
    staleTime: 60_000,
  });

export const kubeEdgeQuery = (cluster: string) =>
  queryOptions({
    queryKey: ['kubeedge', cluster],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/kubeedge', { params: { path: { cluster } } })),
    refetchInterval: live,
    // What was asked for ahead is not asked for again when the page shows.
    staleTime: live / 2,
  });

export const kubeEdgeDefaultsQuery = (cluster: string, serviceType: 'NodePort' | 'LoadBalancer', enabled: boolean) =>
  queryOptions({
    queryKey: ['kubeedge-defaults', cluster, serviceType],
    queryFn: () =>
      data(
        api.GET('/api/v1/clusters/{cluster}/kubeedge/defaults', { params: { path: { cluster }, query: { serviceType } } }),
      ),
    enabled,
    staleTime: 60_000,
  });

export const nodesQuery = (cluster: string, role: 'edge' | 'cloud' | 'all') =>
  queryOptions({
    queryKey: ['nodes', cluster, role],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/nodes', { params: { path: { cluster }, query: { role } } })),
    refetchInterval: live,
    placeholderData: keepPreviousData,
  });

export const nodeQuery = (cluster: string, node: string) =>
  queryOptions({
    queryKey: ['node', cluster, node],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/nodes/{node}', { params: { path: { cluster, node } } })),
    refetchInterval: live,
  });

export const nodeEventsQuery = (cluster: string, node: string) =>
  queryOptions({
    queryKey: ['node-events', cluster, node],
    queryFn: () =>
      data(api.GET('/api/v1/clusters/{cluster}/nodes/{node}/events', { params: { path: { cluster, node } } })),
    refetchInterval: live,
  });

export const podsQuery = (cluster: string, filter: { namespace?: string; node?: string }) =>
  queryOptions({
    queryKey: ['pods', cluster, filter],
    queryFn: () =>
      data(api.GET('/api/v1/clusters/{cluster}/pods', { params: { path: { cluster }, query: filter } })),
    refetchInterval: live,
    placeholderData: keepPreviousData,
  });

const podPath = (cluster: string, namespace: string, pod: string) => ({ params: { path: { cluster, namespace, pod } } });

export const podQuery = (cluster: string, namespace: string, pod: string) =>
  queryOptions({
    queryKey: ['pod', cluster, namespace, pod],
    queryFn: () =>
      data(api.GET('/api/v1/clusters/{cluster}/pods/{namespace}/{pod}', podPath(cluster, namespace, pod))),
    refetchInterval: live,
  });

export const podEventsQuery = (cluster: string, namespace: string, pod: string) =>
  queryOptions({
    queryKey: ['pod-events', cluster, namespace, pod],
    queryFn: () =>
      data(api.GET('/api/v1/clusters/{cluster}/pods/{namespace}/{pod}/events', podPath(cluster, namespace, pod))),
    refetchInterval: live,
  });

export const podYamlQuery = (cluster: string, namespace: string, pod: string) =>
  queryOptions({
    queryKey: ['pod-yaml', cluster, namespace, pod],
    queryFn: () =>
      data(
        api.GET('/api/v1/clusters/{cluster}/pods/{namespace}/{pod}/yaml', {
          ...podPath(cluster, namespace, pod),
          parseAs: 'text',
        }),
      ),
  });

export const joinDefaultsQuery = (cluster: string) =>
  queryOptions({
    queryKey: ['join-defaults', cluster],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/join-defaults', { params: { path: { cluster } } })),
    staleTime: Infinity,
    gcTime: 0,
  });

export const enrollmentsQuery = (cluster: string) =>
  queryOptions({
    queryKey: ['enrollments', cluster],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/enrollments', { params: { path: { cluster } } })),
    // Who may not see who joins is not asked to try again.
    refetchInterval: ({ state }) => (state.error instanceof ApiError && state.error.status === 403 ? false : live),
  });

export const leavePlanQuery = (cluster: string, node: string, enabled: boolean) =>
  queryOptions({
    queryKey: ['leave-plan', cluster, node],
    queryFn: () =>
      data(api.GET('/api/v1/clusters/{cluster}/nodes/{node}/leave', { params: { path: { cluster, node } } })),
    enabled,
    gcTime: 0,
  });
