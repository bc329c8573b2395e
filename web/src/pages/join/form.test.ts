import { expect, test } from 'vitest';
import { hostPort, splitHostPort } from './form';

test.each([
  ['139.192.12.34', 10000, '139.192.12.34:10000'],
  ['cloud.example', 31000, 'cloud.example:31000'],
  ['2001:db8::1', 31000, '[2001:db8::1]:31000'],
])('address %s port %d is written %s and read back', (host, port, text) => {
  expect(hostPort(host, port)).toBe(text);
  expect(splitHostPort(text)).toEqual({ host, webSocketPort: port });
});

test('an address without a port gets none', () => {
  expect(splitHostPort('cloud.example')).toEqual({ host: 'cloud.example', webSocketPort: 0 });
});
