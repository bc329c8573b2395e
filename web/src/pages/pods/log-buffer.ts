import type { ErrorText } from '../../lib/errors';
import { parseAnsi, plain, type Run, type Sgr } from '../../lib/ansi';
import type { Frame, Row } from './log-stream';

/** What is kept in the page: older lines are dropped and counted. */
export const keptLines = 100_000;
/** Characters of all lines together, and of one. */
export const keptChars = 48 << 20;
export const lineChars = 1 << 20;
/** How much more than it keeps the buffer holds before it drops, so as not to do so for each line. */
const slack = 1.05;

export interface LogLine {
  /** Position in the stream: ids of neighbors are consecutive. */
  id: number;
  time?: string;
  text: string;
  runs: Run[];
  notice: boolean;
  source: number;
  /** Characters beyond lineChars that are not kept. */
  cut: number;
  /** A remark of ours in place of a line. */
  remark?: 'restarted' | 'skipped' | 'resumed';
  count?: number;
}

export type SourceStatus = 'connecting' | 'live' | 'interrupted' | 'waiting' | 'ended';

/** One of the logs that are shown. */
export interface Source {
  pod: string;
  container: string;
  node: string;
  status: SourceStatus;
  cause?: string;
  message?: string;
  /** Time of its last whole line, and how many lines had exactly that time. */
  last?: string;
  same: number;
  /** Its line that goes on in a later row. */
  open?: number;
  sgr: Sgr;
}

export type LogStatus = SourceStatus | 'reconnecting' | 'closed';

const newSource = (pod = '', container = '', node = ''): Source => ({ pod, container, node, status: 'connecting', same: 0, sgr: plain });

/** The lines of a log, or of several, as far as they are kept. */
export class LogBuffer {
  lines: LogLine[] = [];
  /** Lines dropped here, and lines that the console left out because we were too slow. */
  dropped = 0;
  skipped = 0;
  /** Logs that match but are not read. */
  left = 0;
  sources: Source[] = [];
  /** Of the connection to the console. */
  connection: 'connecting' | 'open' | 'reconnecting' | 'closed' | 'ended' = 'connecting';
  /** Why the console refused the connection. */
  refusal?: ErrorText;
  private next = 0;
  private chars = 0;
  /** The server's numbers of sources as places in sources: they change with each connection. */
  private numbers: number[] = [0];
  /** Counts changes. */
  version = 0;

  constructor(
    private readonly limits = { lines: keptLines, chars: keptChars, line: lineChars },
    several = false,
  ) {
    if (!several) this.sources.push(newSource());
  }

  /** Id of the oldest line that is kept. */
  get first(): number {
    return this.lines[0]?.id ?? this.next;
  }

  /** A line by its id. */
  line(id: number): LogLine | undefined {
    return this.lines[id - this.first];
  }

  /** Worst status of all logs. */
  get status(): LogStatus {
    if (this.connection === 'closed' || this.connection === 'reconnecting' || this.connection === 'ended') return this.connection;
    for (const s of ['interrupted', 'connecting', 'live', 'waiting'] as const) {
      if (this.sources.some((x) => x.status === s)) return s;
    }
    return this.sources.length > 0 ? 'ended' : 'connecting';
  }

  /** Takes a frame in. */
  add(frame: Frame): void {
    for (const row of frame.lines ?? []) this.addRow(row);
    if (frame.event) this.addEvent(frame);
    this.trim();
    this.version++;
  }

  /** A new connection numbers sources anew and sends lines again that have not ended. */
  connected(): void {
    this.numbers = [0];
    for (const s of this.sources) {
      const line = s.open === undefined ? undefined : this.line(s.open);
      if (line) {
        line.text = '';
        line.runs = [];
      }
      s.open = undefined;
    }
  }

  private source(n: number): Source {
    return (this.sources[n] ??= newSource());
  }

  private announce(number: number, from: NonNullable<Frame['from']>): void {
    const known = this.sources.findIndex((s) => s.pod === from.pod && s.container === from.container);
    this.numbers[number] = known < 0 ? this.sources.length : known;
    if (known < 0) this.sources.push(newSource(from.pod, from.container, from.node));
    else this.source(known).status = 'connecting';
  }

  private addRow(row: Row): void {
    const number = this.numbers[row.o ?? 0] ?? 0;
    const s = this.source(number);
    const begun = row.k && s.open !== undefined ? this.line(s.open) : undefined;
    const raw = row.c ? row.s : row.s.replace(/\r$/, '');
    const { text, runs, end } = parseAnsi(raw, begun ? s.sgr : plain);
    if (begun) this.append(begun, text, runs);
    else this.push({ time: row.t, text, runs, notice: row.n === true, source: number });
    s.sgr = end;
    s.open = row.c ? (begun?.id ?? this.next - 1) : undefined;
    if (!row.c && row.t) {
      s.same = row.t === s.last ? s.same + 1 : 1;
      s.last = row.t;
    }
    if (s.status !== 'interrupted') s.status = 'live';
  }

  private push(line: Pick<LogLine, 'text' | 'source'> & Partial<LogLine>): void {
    const whole = line.text;
    const text = whole.slice(0, this.limits.line);
    this.lines.push({ runs: [], notice: false, ...line, text, id: this.next++, cut: whole.length - text.length });
    this.chars += text.length;
  }

  private append(line: LogLine, text: string, runs: Run[]): void {
    const at = line.text.length;
    const kept = text.slice(0, Math.max(0, this.limits.line - at));
    line.text += kept;
    line.cut += text.length - kept.length;
    if (kept) line.runs.push(...runs.map((r) => ({ ...r, at: r.at + at })));
    this.chars += kept.length;
  }

  private addEvent(f: Frame): void {
    if (f.event === 'source' && f.from) {
      return this.announce(f.source ?? 0, f.from);
    }
    const source = this.numbers[f.source ?? 0] ?? 0;
    if (f.event === 'limit' || f.event === 'skipped' || f.event === 'end') return this.addOverall(f);
    const s = this.source(source);
    const set = (status: SourceStatus) => Object.assign(s, { status, cause: f.cause, message: f.message });
    switch (f.event) {
      case 'opened':
        return void set('live');
      case 'resumed':
        if (s.last) this.push({ text: '', source, remark: 'resumed' });
        return void set('live');
      case 'interrupted':
        return void set('interrupted');
      case 'waiting':
        return void set('waiting');
      case 'restarted':
        this.push({ text: '', source, remark: 'restarted' });
        return void set('connecting');
      case 'sourceEnd':
        return void set('ended');
    }
  }

  /** Takes in what is about all sources. */
  private addOverall(f: Frame): void {
    switch (f.event) {
      case 'limit':
        this.left = f.count ?? 0;
        return;
      case 'skipped':
        this.skipped += f.count ?? 0;
        this.push({ text: '', source: -1, remark: 'skipped', count: f.count });
        return;
      case 'end':
        this.connection = 'ended';
        if (this.sources.length === 0) this.sources.push(newSource());
        if (this.sources.length === 1) Object.assign(this.source(0), { status: 'ended', cause: f.cause, message: f.message });
    }
  }

  private trim(): void {
    const { lines, chars } = this.limits;
    if (this.lines.length <= lines * slack && this.chars <= chars * slack) return;
    let n = Math.max(0, this.lines.length - lines);
    let size = this.chars;
    for (let i = 0; i < this.lines.length - 1 && (i < n || size > chars); i++) {
      size -= this.lines[i]?.text.length ?? 0;
      n = Math.max(n, i + 1);
    }
    this.lines.splice(0, n);
    this.chars = size;
    this.dropped += n;
  }
}
