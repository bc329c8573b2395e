import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogStream, type LogChoice } from './log-stream';

/** A browser's WebSocket that never opens. */
class Refused {
  static OPEN = 1;
  readyState = 3;
  onclose?: (event: { code: number }) => void;
  constructor() {
    queueMicrotask(() => this.onclose?.({ code: 1006 }));
  }
  close() {}
}

const choice: LogChoice = { cluster: 'c', namespace: 'n', pod: 'p', workload: '', container: 'x', tail: 1, since: 0, previous: false, follow: true };

const answers = (status: number, code: string) => () =>
  Promise.resolve(new Response(JSON.stringify({ code, message: 'why', remedy: 'what to do' }), { status, headers: { 'Content-Type': 'application/json' } }));

let stop = () => {};
beforeEach(() => vi.stubGlobal('WebSocket', Refused));
afterEach(() => {
  stop();
  vi.unstubAllGlobals();
});

test.each([
  [429, 'TooManyStreams', 'closed', true],
  [503, 'ConsoleBusy', 'closed', true],
  [403, 'ForeignOrigin', 'closed', true],
  [502, 'ClusterUnreachable', 'reconnecting', false],
  [401, 'TokenEnded', 'reconnecting', false],
])('a stream refused with %i %s is %s', async (status, code, connection, told) => {
  const asked = vi.fn(answers(status, code));
  vi.stubGlobal('fetch', asked);
  const stream = new LogStream(choice);
  stop = stream.start();
  await vi.waitFor(() => expect(asked).toHaveBeenCalled());
  await vi.waitFor(() => expect(stream.buffer.connection).toBe(connection));
  expect(stream.buffer.refusal?.code).toBe(told ? code : undefined);
});
