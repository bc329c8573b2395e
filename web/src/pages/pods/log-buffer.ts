import type { Frame, Row } from './log-stream';

/** Lines kept in the page; older ones are dropped and counted. */
export const keptLines = 100_000;

export interface LogLine {
  /** Position in the stream, for keys. */
  id: number;
  time?: string;
  text: string;
  notice: boolean;
}

export interface LogState {
  lines: LogLine[];
  dropped: number;
  next: number;
  /** The last line goes on in the next row. */
  open: boolean;
  status: 'connecting' | 'live' | 'interrupted' | 'ended' | 'closed';
  cause?: string;
  message?: string;
}

export const emptyLog: LogState = { lines: [], dropped: 0, next: 0, open: false, status: 'connecting' };

/** Adds a frame. Escape sequences of terminals are taken out, control characters made visible. */
export function addFrame(state: LogState, frame: Frame, max: number = keptLines): LogState {
  let { next, open, dropped } = state;
  let lines = frame.lines?.length ? state.lines.slice() : state.lines;
  for (const row of frame.lines ?? []) {
    const last = lines.at(-1);
    if (open && last) lines[lines.length - 1] = { ...last, text: last.text + clean(row.s) };
    else lines.push(lineOf(row, next++));
    open = row.c === true;
  }
  if (lines.length > max) {
    dropped += lines.length - max;
    lines = lines.slice(-max);
  }
  const out: LogState = { ...state, lines, dropped, next, open, status: state.status === 'connecting' && frame.lines?.length ? 'live' : state.status };
  switch (frame.event) {
    case 'interrupted':
      return { ...out, status: 'interrupted', cause: frame.cause, message: frame.message, open: false };
    case 'resumed':
      return { ...out, status: 'live', cause: undefined, message: undefined };
    case 'end':
      return { ...out, status: 'ended', cause: frame.cause, message: frame.message };
  }
  return out;
}

function lineOf(row: Row, id: number): LogLine {
  return { id, time: row.t, text: clean(row.s), notice: row.n === true };
}

// Matching control characters is the purpose of both.
// eslint-disable-next-line no-control-regex
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g;
// eslint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** Text without terminal escapes; other control characters become their pictures. */
export function clean(text: string): string {
  return text.replace(escapes, '').replace(controls, (c) => (c === '\u007f' ? '\u2421' : String.fromCharCode(0x2400 + c.charCodeAt(0))));
}

/** Splits a line into parts that match a search and parts that do not. */
export function highlight(text: string, search: string): { text: string; hit: boolean }[] {
  if (!search) return [{ text, hit: false }];
  const lower = text.toLowerCase();
  const word = search.toLowerCase();
  const parts: { text: string; hit: boolean }[] = [];
  let from = 0;
  for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, from)) {
    if (at > from) parts.push({ text: text.slice(from, at), hit: false });
    parts.push({ text: text.slice(at, at + word.length), hit: true });
    from = at + word.length;
  }
  if (from < text.length || parts.length === 0) parts.push({ text: text.slice(from), hit: false });
  return parts;
}
