import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { sessionOver } from '../../api/client';
import { keepToContentPolicy } from './csp';

/** How a terminal ended; see TerminalEnd of the server. */
export interface End {
  code: string;
  exitCode?: number;
  message?: string;
  remedy?: string;
}

export type Status = { state: 'connecting' | 'open' | 'silent' } | { state: 'over'; end: End };

/** Keys were pressed and nothing has come back for this long, in milliseconds. */
const silentAfter = 8_000;
/** The server has said why: the session is over. */
const policyViolation = 1008;

const theme = { background: '#151515', foreground: '#e8e8e8', cursor: '#e8e8e8', selectionBackground: '#4d5d73' };

/** A terminal on a WebSocket. A new key starts a new one. */
export default function TerminalScreen({ path, onStatus }: { path: string; onStatus: (s: Status) => void }) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const label = t('terminal.screen');
  useEffect(() => {
    const el = box.current;
    if (!el) return undefined;
    const restore = keepToContentPolicy();
    const term = new Terminal({ theme, fontFamily: "RedHatMono, 'Courier New', monospace", fontSize: 14, screenReaderMode: true, scrollback: 5000, minimumContrastRatio: 4.5 });
    const fit = new FitAddon();
    term.loadAddon(fit);
    term.open(el);
    term.textarea?.setAttribute('aria-label', label);
    fit.fit();
    const close = connect(term, fit, path, onStatus);
    const resized = new ResizeObserver(() => fit.fit());
    resized.observe(el);
    term.focus();
    return () => {
      resized.disconnect();
      close();
      term.dispose();
      restore();
    };
  }, [path, onStatus, label]);
  return <div ref={box} className="ew-terminal" />;
}

/** Joins a terminal and the server; the result ends the connection. */
function connect(term: Terminal, fit: FitAddon, path: string, onStatus: (s: Status) => void): () => void {
  const url = new URL(path, window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.searchParams.set('columns', String(term.cols));
  url.searchParams.set('rows', String(term.rows));
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  let end: End | undefined;
  let silent = 0;
  const heard = () => {
    window.clearTimeout(silent);
    silent = 0;
    onStatus({ state: 'open' });
  };
  socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
    if (typeof event.data === 'string') {
      end = JSON.parse(event.data) as End;
      return;
    }
    heard();
    term.write(new Uint8Array(event.data));
  };
  socket.onclose = (event) => {
    window.clearTimeout(silent);
    term.options.disableStdin = true;
    if (event.code === policyViolation) sessionOver();
    onStatus({ state: 'over', end: end ?? { code: event.code === policyViolation ? 'SessionOver' : 'Lost' } });
  };
  const send = (data: Uint8Array<ArrayBuffer>) => {
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(data);
    if (silent === 0) silent = window.setTimeout(() => onStatus({ state: 'silent' }), silentAfter);
  };
  const utf8 = new TextEncoder();
  term.onData((text) => send(utf8.encode(text)));
  term.onBinary((text) => send(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  term.onResize(({ cols, rows }) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ columns: cols, rows }));
  });
  socket.onopen = () => fit.fit();
  return () => {
    window.clearTimeout(silent);
    socket.onclose = null;
    socket.close();
  };
}
