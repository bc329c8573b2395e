import type { Schemas } from '../../api/client';

export type Settings = Schemas['Settings'];
export type ServiceType = Settings['serviceType'];

/** How a field is shown. A list is edited as words between commas. */
export type Kind = 'switch' | 'number' | 'text' | 'list' | 'serviceType' | 'pullPolicy' | 'backend';

export interface Field {
  /** Path in the settings, as in problems. */
  path: string;
  kind: Kind;
  /** Path of a switch without which the field means nothing. */
  needs?: string;
}

/** The rows of the two tables, in their order, and what users need beside. */
export const groups: { name: string; fields: Field[] }[] = [
  {
    name: 'cloudcore',
    fields: [
      { path: 'ha', kind: 'switch' },
      { path: 'serviceType', kind: 'serviceType' },
      { path: 'cloudHub.advertiseAddress', kind: 'list' },
      { path: 'cloudHub.nodeLimit', kind: 'number' },
      { path: 'cloudHub.authorization', kind: 'switch' },
      { path: 'cloudHub.webSocket.enable', kind: 'switch' },
      { path: 'cloudHub.https.enable', kind: 'switch' },
      { path: 'cloudHub.quic.enable', kind: 'switch' },
      { path: 'cloudStream.enable', kind: 'switch' },
    ],
  },
  {
    name: 'ports',
    fields: [
      { path: 'cloudHub.webSocket.port', kind: 'number', needs: 'cloudHub.webSocket.enable' },
      { path: 'cloudHub.webSocket.externalPort', kind: 'number', needs: 'cloudHub.webSocket.enable' },
      { path: 'cloudHub.quic.port', kind: 'number', needs: 'cloudHub.quic.enable' },
      { path: 'cloudHub.quic.externalPort', kind: 'number', needs: 'cloudHub.quic.enable' },
      { path: 'cloudHub.https.port', kind: 'number', needs: 'cloudHub.https.enable' },
      { path: 'cloudHub.https.externalPort', kind: 'number', needs: 'cloudHub.https.enable' },
      { path: 'cloudStream.port', kind: 'number', needs: 'cloudStream.enable' },
      { path: 'cloudStream.tunnelPort', kind: 'number', needs: 'cloudStream.enable' },
      { path: 'cloudStream.tunnelExternalPort', kind: 'number', needs: 'cloudStream.enable' },
    ],
  },
  {
    name: 'edgeWatcher',
    fields: [
      { path: 'edgeWatcher.destinationAddress', kind: 'text' },
      { path: 'edgeWatcher.destinationPort', kind: 'number' },
      { path: 'edgeWatcher.logPort', kind: 'number' },
      { path: 'edgeWatcher.metricsPort', kind: 'number' },
      { path: 'edgeWatcher.history', kind: 'switch' },
      { path: 'edgeWatcher.prometheusURL', kind: 'text' },
    ],
  },
  {
    name: 'advanced',
    fields: [
      { path: 'streamGuard.enable', kind: 'switch' },
      { path: 'iptablesOperator.backend', kind: 'backend' },
      { path: 'dynamicController', kind: 'switch' },
      { path: 'images.registry', kind: 'text' },
      { path: 'images.cloudcore', kind: 'text' },
      { path: 'images.edgeWatcher', kind: 'text' },
      { path: 'images.iptablesOperator', kind: 'text' },
      { path: 'images.streamGate', kind: 'text' },
      { path: 'images.probe', kind: 'text' },
      { path: 'images.pullPolicy', kind: 'pullPolicy' },
      { path: 'images.pullSecrets', kind: 'list' },
      { path: 'kubeEdgeVersion', kind: 'text' },
      { path: 'extras.networkPolicy', kind: 'switch' },
      { path: 'extras.serviceMonitors', kind: 'switch' },
    ],
  },
];

/** The value at a path. */
export function get(settings: Settings, path: string): unknown {
  return path.split('.').reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], settings);
}

/** A copy with another value at a path. */
export function set(settings: Settings, path: string, value: unknown): Settings {
  const copy = structuredClone(settings);
  const keys = path.split('.');
  const last = keys.pop();
  let at = copy as unknown as Record<string, unknown>;
  for (const key of keys) at = at[key] as Record<string, unknown>;
  if (last) at[last] = value;
  return copy;
}

/**
 * Settings with another service type: ports that still have the old type's default
 * follow to the new one's, chosen ones stay, and the address is found anew.
 */
export function withServiceType(settings: Settings, from: Settings, to: Settings): Settings {
  let out = set(settings, 'serviceType', to.serviceType);
  for (const { path } of groups.find((g) => g.name === 'ports')?.fields ?? []) {
    const value = get(settings, path);
    if (value === 0 || value === get(from, path)) out = set(out, path, get(to, path));
  }
  return set(out, 'cluster.advertiseAddress', to.cluster.advertiseAddress);
}
