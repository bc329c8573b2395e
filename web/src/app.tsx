import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { useEffect, useState, type ComponentType } from 'react';
import { createBrowserRouter, matchPath, Navigate, Outlet, RouterProvider, useLocation, useRouteError } from 'react-router';
import { Bullseye, PageSection, Spinner } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';
import { ApiError, onSignedOut } from './api/client';
import { clustersQuery, kubeEdgeDefaultsQuery, kubeEdgeQuery, rightsQuery, sessionQuery } from './api/queries';
import { Shell } from './components/shell';
import { ErrorState } from './components/states';
import { withTexts } from './lib/i18n';
import { SignIn } from './pages/sign-in';

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // What was refused or is not there will not come by asking again.
      retry: (count, error) => !(error instanceof ApiError && error.status < 500) && count < 1,
    },
  },
});

/** A page of its own file, and what it asks the server for first (see ahead.ts). */
interface Page {
  path: string;
  load: () => Promise<ComponentType>;
  /** Asked for while the page's file is still on its way, when the page is the first. */
  ask?: (cluster: string) => Promise<unknown>;
}

/** What the page about KubeEdge shows, and what its form begins with where there is none yet. */
async function askKubeEdge(cluster: string) {
  await Promise.all([queryClient.prefetchQuery(rightsQuery(cluster)), queryClient.prefetchQuery(kubeEdgeQuery(cluster))]);
  if (queryClient.getQueryData(kubeEdgeQuery(cluster).queryKey)?.state !== 'Absent') return;
  if (!queryClient.getQueryData(rightsQuery(cluster).queryKey)?.clusterAdmin) return;
  void queryClient.prefetchQuery(kubeEdgeDefaultsQuery(cluster, 'NodePort', true));
}

const pages: Page[] = [
  { path: '/clusters', load: () => import('./pages/clusters').then((m) => m.Clusters), ask: () => queryClient.prefetchQuery(clustersQuery) },
  {
    path: '/clusters/:cluster/kubeedge',
    load: () => import('./pages/kubeedge/kubeedge').then((m) => m.KubeEdge),
    ask: askKubeEdge,
  },
  { path: '/clusters/:cluster/nodes', load: () => import('./pages/nodes/nodes').then((m) => m.Nodes) },
  { path: '/clusters/:cluster/join', load: () => import('./pages/join/join').then((m) => m.Join) },
  { path: '/clusters/:cluster/nodes/:node', load: () => import('./pages/nodes/node').then((m) => m.NodePage) },
  { path: '/clusters/:cluster/pods', load: () => import('./pages/pods/pods').then((m) => m.Pods) },
  { path: '/clusters/:cluster/pods/:namespace/:pod', load: () => import('./pages/pods/pod').then((m) => m.PodPage) },
  { path: '/clusters/:cluster/pods/:namespace/:pod/logs', load: () => withTexts('logs', import('./pages/pods/logs')).then((m) => m.Logs) },
  { path: '/clusters/:cluster/pods/:namespace/:pod/terminal', load: () => withTexts('logs', import('./pages/terminal/terminal')).then((m) => m.TerminalPage) },
];

/** The paths of all pages that have files of their own. */
export const pagePaths = pages.map((p) => p.path);

/**
 * Asks at once for what the first page needs: who is signed in, the page's file, which
 * the router fetches, and its data would otherwise wait for one another. Ends when all of
 * it is there; a failure shows where it is needed.
 */
export async function askAhead(address: string) {
  for (const page of pages) {
    const match = matchPath(page.path, address);
    if (!match) continue;
    await Promise.all([queryClient.prefetchQuery(sessionQuery), page.ask?.(match.params.cluster ?? ''), routed()]);
    return;
  }
}

/** Ends when the router has the first page's file. */
function routed(): Promise<void> {
  return new Promise((resolve) => {
    if (router.state.initialized) return resolve();
    const off = router.subscribe((state) => {
      if (!state.initialized) return;
      off();
      resolve();
    });
  });
}

/** Milliseconds before it is shown that something is waited for. */
export const patience = 300;

/** A spinner, which nobody sees of what is there soon: drawing it takes time from that. */
function Waiting() {
  const { t } = useTranslation();
  const [long, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), patience);
    return () => clearTimeout(timer);
  }, []);
  if (!long) return null;
  return (
    <PageSection isFilled>
      <Bullseye>
        <Spinner aria-label={t('common.loading')} />
      </Bullseye>
    </PageSection>
  );
}

/** A page whose file did not come, as after the console was replaced by another version. */
function NotLoaded() {
  const { t } = useTranslation();
  return (
    <PageSection isFilled>
      <ErrorState error={useRouteError()} remedy={t('states.reload')} retry={() => window.location.reload()} />
    </PageSection>
  );
}

/** Shows its children to people who are signed in, and the sign-in page to others. */
function SignedIn() {
  const session = useQuery(sessionQuery);
  const location = useLocation();
  useEffect(() => onSignedOut(() => void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey })), []);
  if (session.error instanceof ApiError && session.error.status === 401) {
    return <Navigate to="/sign-in" replace state={{ from: location.pathname + location.search, why: session.error.body }} />;
  }
  if (session.error) return <ErrorState error={session.error} retry={() => void session.refetch()} />;
  return (
    // The frame is drawn while the answer is on its way.
    <Shell session={session.data}>{session.data ? <Outlet /> : <Waiting />}</Shell>
  );
}

const router = createBrowserRouter([
  { path: '/sign-in', element: <SignIn /> },
  {
    element: <SignedIn />,
    children: [
      { path: '/', element: <Navigate to="/clusters" replace /> },
      { path: '/clusters/:cluster', element: <Navigate to="nodes" replace /> },
      // The router, unlike Suspense, keeps the page before until the next one is there.
      // A function: of a failing `lazy: { Component }` the router hears nothing when there is no loader.
      ...pages.map(({ path, load }) => ({ path, lazy: async () => ({ Component: await load() }), HydrateFallback: Waiting, ErrorBoundary: NotLoaded })),
      { path: '*', element: <Navigate to="/clusters" replace /> },
    ],
  },
]);

export function App() {
  return (
    <QueryClientProvider client={queryClient}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}
