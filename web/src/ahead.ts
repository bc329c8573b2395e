/**
 * What a browser that comes to a page first needs of us: the page's file, and what the
 * page asks the API for at once. The build looks the files up (preload-pages.ts), and the
 * server names all of it in the answer's Link header, so that it is on its way before
 * the first script is read. `data` must be what the page asks for anyhow, word for word;
 * what it asks for only in some cases does not belong here.
 */
export interface Ahead {
  /** As the router knows it. */
  path: string;
  /** The module of the page. */
  source: string;
  /** Paths of the API, with the parameters of `path`; people who are signed in get them. */
  data: string[];
}

const session = '/api/v1/session';

export const ahead: Ahead[] = [
  { path: '/clusters', source: 'src/pages/clusters.tsx', data: [session, '/api/v1/clusters'] },
  {
    path: '/clusters/:cluster/kubeedge',
    source: 'src/pages/kubeedge/kubeedge.tsx',
    data: [session, '/api/v1/clusters/:cluster/kubeedge', '/api/v1/clusters/:cluster/rights'],
  },
  { path: '/clusters/:cluster/nodes', source: 'src/pages/nodes/nodes.tsx', data: [session] },
  { path: '/clusters/:cluster/join', source: 'src/pages/join/join.tsx', data: [session] },
  { path: '/clusters/:cluster/nodes/:node', source: 'src/pages/nodes/node.tsx', data: [session] },
  { path: '/clusters/:cluster/pods', source: 'src/pages/pods/pods.tsx', data: [session] },
  { path: '/clusters/:cluster/pods/:namespace/:pod', source: 'src/pages/pods/pod.tsx', data: [session] },
  { path: '/clusters/:cluster/pods/:namespace/:pod/logs', source: 'src/pages/pods/logs.tsx', data: [session] },
  { path: '/clusters/:cluster/pods/:namespace/:pod/terminal', source: 'src/pages/terminal/terminal.tsx', data: [session] },
];
