import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { sessionOver } from '../../api/client';
import type { ErrorText } from '../../lib/errors';
import { LogBuffer } from './log-buffer';
import { urlPath } from '../../lib/paths';

/** One row of a frame; see LogFrameRow of the server. */
export interface Row {
  t?: string;
  s: string;
  o?: number;
  n?: boolean;
  c?: boolean;
  k?: boolean;
}

/** One message of the stream; see LogFrame of the server. */
export interface Frame {
  seq: number;
  lines?: Row[];
  event?: 'opened' | 'interrupted' | 'resumed' | 'waiting' | 'restarted' | 'end' | 'source' | 'sourceEnd' | 'limit' | 'skipped';
  source?: number;
  cause?: string;
  message?: string;
  count?: number;
  from?: { pod: string; container: string; node: string };
}

/** Which logs, and which part of them. */
export interface LogChoice {
  cluster: string;
  namespace: string;
  pod: string;
  /** All pods of this workload, Kind/name, instead of the one pod. */
  workload: string;
  /** Empty for all. */
  container: string;
  tail: number;
  since: number;
  previous: boolean;
  follow: boolean;
}

/** More than one log may come. */
export const several = (c: LogChoice) => c.workload !== '' || c.container === '';

/** Query of a choice, for the stream and for the download. */
export function logQuery(c: LogChoice): URLSearchParams {
  const q = new URLSearchParams({ tail: String(c.tail) });
  if (c.container) q.set('container', c.container);
  if (c.workload) q.set('workload', c.workload);
  if (c.since > 0) q.set('since', String(c.since));
  if (c.previous) q.set('previous', 'true');
  if (c.follow && !c.previous) q.set('follow', 'true');
  return q;
}

/** Path of the logs. */
export function logPath(c: LogChoice): string {
  return c.workload
    ? urlPath`/api/v1/clusters/${c.cluster}/logs/${c.namespace}`
    : urlPath`/api/v1/clusters/${c.cluster}/pods/${c.namespace}/${c.pod}/logs`;
}

/** What of the logs is there already, so that a new connection goes on behind it. */
export function resumeOf(buffer: LogBuffer, c: LogChoice): string[] {
  return buffer.sources.filter((s) => s.last).map((s) => `${s.pod || c.pod}/${s.container || c.container}@${s.last}+${s.same}`);
}

const showEvery = 50;
/** The server has said why: the session is over. */
const policyViolation = 1008;
const retries = [500, 1000, 2000, 5000];

/** Reads logs into a buffer and connects again when the console was away. */
export class LogStream {
  readonly buffer: LogBuffer;
  private listeners = new Set<() => void>();
  private socket?: WebSocket;
  private waiting: Frame[] = [];
  private timer = 0;
  private tries = 0;
  private retry = 0;
  private stopped = false;

  constructor(private readonly choice: LogChoice) {
    this.buffer = new LogBuffer(undefined, several(choice));
  }

  readonly subscribe = (f: () => void): (() => void) => {
    this.listeners.add(f);
    return () => this.listeners.delete(f);
  };

  readonly version = (): number => this.buffer.version;

  /** Opens the connection; the result closes it for good. */
  start(): () => void {
    this.stopped = false;
    this.connect();
    return () => {
      this.stopped = true;
      window.clearTimeout(this.timer);
      this.timer = 0;
      this.socket?.close();
    };
  }

  private connect(): void {
    const query = logQuery(this.choice);
    for (const r of resumeOf(this.buffer, this.choice)) query.append('resume', r);
    const path = `${logPath(this.choice)}/stream?${query.toString()}`;
    const url = new URL(path, window.location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.tries = 0;
      if (this.buffer.connection === 'reconnecting') this.buffer.connected();
      this.set('open');
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      this.waiting.push(JSON.parse(event.data) as Frame);
      // A timer, not an animation frame: those stop in a hidden tab, and the log with them.
      if (this.timer === 0) this.timer = window.setTimeout(this.show, showEvery);
    };
    socket.onclose = (event) => {
      if (this.stopped || this.socket !== socket) return;
      this.show();
      if (this.buffer.connection === 'ended') return;
      if (event.code === policyViolation) sessionOver();
      if (event.code === policyViolation || this.tries > 20) return this.set('closed');
      this.set('reconnecting');
      this.retry = window.setTimeout(() => !this.stopped && this.connect(), retries[Math.min(this.tries++, retries.length - 1)]);
      if (!opened) void this.refused(path);
    };
  }

  /**
   * A browser does not tell why a WebSocket was refused; the same address, asked plainly,
   * does. What trying again cannot change is shown instead.
   */
  private async refused(path: string): Promise<void> {
    const answer = await fetch(path).catch(() => undefined);
    if (!answer || answer.status === 401 || !answer.headers.get('Content-Type')?.includes('json')) return;
    const body = (await answer.json()) as ErrorText;
    if (this.stopped || (answer.status >= 500 && body.code !== 'ConsoleBusy')) return;
    window.clearTimeout(this.retry);
    this.buffer.refusal = body;
    this.set('closed');
  }

  private readonly show = (): void => {
    window.clearTimeout(this.timer);
    this.timer = 0;
    const frames = this.waiting;
    this.waiting = [];
    for (const f of frames) this.buffer.add(f);
    this.tell();
    const last = frames.at(-1);
    if (last && this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ ack: last.seq }));
  };

  private set(connection: LogBuffer['connection']): void {
    this.buffer.connection = connection;
    this.buffer.version++;
    this.tell();
  }

  private tell(): void {
    for (const f of this.listeners) f();
  }
}

/** Follows logs. `generation` starts them anew. */
export function useLog(choice: LogChoice, generation: number): { buffer: LogBuffer; version: number } {
  const key = JSON.stringify(choice);
  const ready = choice.pod !== '' || choice.workload !== '';
  // eslint-disable-next-line react-hooks/exhaustive-deps
  const stream = useMemo(() => new LogStream(choice), [key, generation]);
  useEffect(() => (ready ? stream.start() : undefined), [stream, ready]);
  const version = useSyncExternalStore(stream.subscribe, stream.version);
  return { buffer: stream.buffer, version };
}
