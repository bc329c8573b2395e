import { useEffect, useState } from 'react';
import { addFrame, emptyLog, type LogState } from './log-buffer';

/** One row of a frame; see LogFrameRow of the server. */
export interface Row {
  t?: string;
  s: string;
  n?: boolean;
  c?: boolean;
}

/** One message of the stream; see LogFrame of the server. */
export interface Frame {
  seq: number;
  lines?: Row[];
  event?: 'interrupted' | 'resumed' | 'end';
  cause?: string;
  message?: string;
}

export interface LogChoice {
  cluster: string;
  namespace: string;
  pod: string;
  container: string;
  tail: number;
  since: number;
  previous: boolean;
  follow: boolean;
}

/** Query of a choice, for the stream and for the download. */
export function logQuery(c: LogChoice): string {
  const q = new URLSearchParams({ container: c.container, tail: String(c.tail) });
  if (c.since > 0) q.set('since', String(c.since));
  if (c.previous) q.set('previous', 'true');
  if (c.follow && !c.previous) q.set('follow', 'true');
  return q.toString();
}

/** Path of a container's log. */
export function logPath(c: LogChoice): string {
  const part = encodeURIComponent;
  return `/api/v1/clusters/${part(c.cluster)}/pods/${part(c.namespace)}/${part(c.pod)}/logs`;
}

/** Follows a log. `generation` starts it anew. Frames are acknowledged once they are shown. */
export function useLog(choice: LogChoice, generation: number): LogState {
  const [state, setState] = useState<LogState>(emptyLog);
  const address = `${logPath(choice)}/stream?${logQuery(choice)}`;
  useEffect(() => {
    setState(emptyLog);
    if (!choice.container) return undefined;
    const url = new URL(address, window.location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    let waiting: Frame[] = [];
    let timer = 0;
    const show = () => {
      timer = 0;
      const frames = waiting;
      waiting = [];
      setState((old) => frames.reduce((s, f) => addFrame(s, f), old));
      const last = frames.at(-1);
      if (last && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ack: last.seq }));
    };
    socket.onopen = () => setState((old) => ({ ...old, status: old.status === 'connecting' ? 'live' : old.status }));
    socket.onmessage = (event: MessageEvent<string>) => {
      waiting.push(JSON.parse(event.data) as Frame);
      // A timer, not an animation frame: those stop in a hidden tab, and the log with them.
      if (timer === 0) timer = window.setTimeout(show, 30);
    };
    socket.onclose = () => {
      if (timer !== 0) show();
      setState((old) => (old.status === 'ended' ? old : { ...old, status: 'closed' }));
    };
    return () => {
      socket.onclose = null;
      window.clearTimeout(timer);
      socket.close();
    };
  }, [address, choice.container, generation]);
  return state;
}
