import { expect, test } from 'vitest';
import { get, set, withServiceType, type Settings } from './fields';

function defaults(serviceType: 'NodePort' | 'LoadBalancer', base: number, found: string[]): Settings {
  const edgePort = (port: number) => ({ enable: true, port: base + port, externalPort: 0 });
  return {
    serviceType,
    cloudHub: { webSocket: edgePort(0), quic: edgePort(1), https: edgePort(2) },
    cloudStream: { enable: true, port: base + 3, tunnelPort: base + 4, tunnelExternalPort: 0 },
    cluster: { advertiseAddress: found },
  } as unknown as Settings;
}

test('default ports follow the service type, chosen ones stay', () => {
  const nodePort = defaults('NodePort', 31000, ['198.51.100.1']);
  const loadBalancer = defaults('LoadBalancer', 10000, []);
  const mine = set(nodePort, 'cloudHub.https.port', 32000);
  const next = withServiceType(mine, nodePort, loadBalancer);
  expect(next.serviceType).toBe('LoadBalancer');
  expect(get(next, 'cloudHub.webSocket.port')).toBe(10000);
  expect(get(next, 'cloudStream.tunnelPort')).toBe(10004);
  expect(get(next, 'cloudHub.https.port')).toBe(32000);
  expect(next.cluster.advertiseAddress).toEqual([]);
  const back = withServiceType(next, loadBalancer, nodePort);
  expect(back).toEqual(mine);
});

test('set leaves the original alone', () => {
  const a = defaults('NodePort', 31000, []);
  set(a, 'cloudHub.quic.enable', false);
  expect(get(a, 'cloudHub.quic.enable')).toBe(true);
});
