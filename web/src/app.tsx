import { QueryClient, QueryClientProvider, useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useEffect } from 'react';
import { createBrowserRouter, Navigate, Outlet, RouterProvider, useLocation } from 'react-router';
import { Bullseye, Spinner } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';
import { ApiError, onSignedOut } from './api/client';
import { sessionQuery } from './api/queries';
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

const Clusters = lazy(() => import('./pages/clusters').then((m) => ({ default: m.Clusters })));
const KubeEdge = lazy(() => import('./pages/kubeedge/kubeedge').then((m) => ({ default: m.KubeEdge })));
const Nodes = lazy(() => import('./pages/nodes/nodes').then((m) => ({ default: m.Nodes })));
const NodePage = lazy(() => import('./pages/nodes/node').then((m) => ({ default: m.NodePage })));
const Join = lazy(() => import('./pages/join/join').then((m) => ({ default: m.Join })));
const Pods = lazy(() => import('./pages/pods/pods').then((m) => ({ default: m.Pods })));
const PodPage = lazy(() => import('./pages/pods/pod').then((m) => ({ default: m.PodPage })));
const Logs = lazy(() => withTexts('logs', import('./pages/pods/logs')).then((m) => ({ default: m.Logs })));
const TerminalPage = lazy(() => withTexts('logs', import('./pages/terminal/terminal')).then((m) => ({ default: m.TerminalPage })));

function Waiting() {
  const { t } = useTranslation();
  return (
    <Bullseye>
      <Spinner aria-label={t('common.loading')} />
    </Bullseye>
  );
}

/** Shows its children to people who are signed in, and the sign-in page to others. */
function SignedIn() {
  const session = useQuery(sessionQuery);
  const location = useLocation();
  useEffect(() => onSignedOut(() => void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey })), []);
  if (session.isPending) return <Waiting />;
  if (session.error instanceof ApiError && session.error.status === 401) {
    return <Navigate to="/sign-in" replace state={{ from: location.pathname + location.search }} />;
  }
  if (session.error) return <ErrorState error={session.error} retry={() => void session.refetch()} />;
  return (
    <Shell session={session.data}>
      <Suspense fallback={<Waiting />}>
        <Outlet />
      </Suspense>
    </Shell>
  );
}

const router = createBrowserRouter([
  { path: '/sign-in', element: <SignIn /> },
  {
    element: <SignedIn />,
    children: [
      { path: '/', element: <Navigate to="/clusters" replace /> },
      { path: '/clusters', element: <Clusters /> },
      { path: '/clusters/:cluster', element: <Navigate to="nodes" replace /> },
      { path: '/clusters/:cluster/kubeedge', element: <KubeEdge /> },
      { path: '/clusters/:cluster/nodes', element: <Nodes /> },
      { path: '/clusters/:cluster/join', element: <Join /> },
      { path: '/clusters/:cluster/nodes/:node', element: <NodePage /> },
      { path: '/clusters/:cluster/pods', element: <Pods /> },
      { path: '/clusters/:cluster/pods/:namespace/:pod', element: <PodPage /> },
      { path: '/clusters/:cluster/pods/:namespace/:pod/logs', element: <Logs /> },
      { path: '/clusters/:cluster/pods/:namespace/:pod/terminal', element: <TerminalPage /> },
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
