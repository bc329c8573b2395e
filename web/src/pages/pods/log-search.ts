import { useEffect, useMemo, useSyncExternalStore } from 'react';
import type { LogBuffer } from './log-buffer';
import type { Answer, Ask, Query, Span } from './log-search-core';

/** How long one question may take; a pattern can be written that would take for ever. */
export const timeLimit = 1500;
/** Lines and characters of one question. */
const batchLines = 4000;
const batchChars = 1 << 20;

export type SearchState = 'off' | 'busy' | 'ready' | 'slow' | 'wrong';

export interface SearchWorker {
  postMessage(ask: Ask): void;
  terminate(): void;
  onmessage: ((event: MessageEvent<Answer>) => void) | null;
}

const startWorker = (): SearchWorker => new Worker(new URL('./log-search.worker.ts', import.meta.url), { type: 'module' });

/**
 * Searches a log's lines in a worker, so that no pattern stops the page, and ends
 * the worker when one question takes too long.
 */
export class LogSearch {
  /** Ids of lines that match, in order. */
  ids: number[] = [];
  state: SearchState = 'off';
  error = '';
  version = 0;
  private spans = new Map<number, Span[]>();
  private worker?: SearchWorker;
  private generation = 0;
  private next = 0; // id of the first line that was not asked about
  private asked?: Ask;
  private wanted = new Map<number, string>();
  private timer?: ReturnType<typeof setTimeout>;
  private listeners = new Set<() => void>();

  constructor(
    private readonly buffer: LogBuffer,
    private readonly start: () => SearchWorker = startWorker,
    private readonly limit = timeLimit,
  ) {}

  readonly subscribe = (f: () => void): (() => void) => {
    this.listeners.add(f);
    return () => this.listeners.delete(f);
  };

  readonly snapshot = (): number => this.version;

  /** Begins a new search; an empty text ends it. */
  query(query: Query): void {
    this.stop();
    if (!query.text) return;
    this.state = 'busy';
    this.generation++;
    this.worker = this.start();
    this.worker.onmessage = (e) => this.take(e.data);
    this.ask({ kind: 'query', query, generation: this.generation });
    this.tell();
  }

  /** Ends the search and its worker. */
  stop(): void {
    clearTimeout(this.timer);
    this.worker?.terminate();
    this.worker = undefined;
    this.asked = undefined;
    this.ids = [];
    this.spans.clear();
    this.wanted.clear();
    this.next = 0;
    this.error = '';
    this.state = 'off';
    this.tell();
  }

  /** Looks at lines that have come, and forgets those that are gone. */
  update(): void {
    const { first } = this.buffer;
    if ((this.ids[0] ?? first) < first) {
      const keep = this.ids.findIndex((id) => id >= first);
      this.ids = keep < 0 ? [] : this.ids.slice(keep);
      for (const id of this.spans.keys()) if (id < first) this.spans.delete(id);
      this.tell();
    }
    this.go();
  }

  /** Matches in a line, as far as they are known; asks for them else. */
  spansOf(id: number, text: string): Span[] {
    const known = this.spans.get(id);
    if (known) return known;
    if (this.state === 'busy' || this.state === 'ready') this.wanted.set(id, text);
    return [];
  }

  /** Asks the next question unless one is open. */
  go(): void {
    if (this.asked || (this.state !== 'busy' && this.state !== 'ready')) return;
    const { generation } = this;
    if (this.wanted.size > 0) {
      this.ask({ kind: 'spans', ids: [...this.wanted.keys()], texts: [...this.wanted.values()], generation });
      this.wanted.clear();
      return;
    }
    // The newest line may still grow.
    const end = this.buffer.first + this.buffer.lines.length;
    this.next = Math.max(this.next, this.buffer.first);
    if (this.next >= end) {
      if (this.state === 'busy') {
        this.state = 'ready';
        this.tell();
      }
      return;
    }
    const texts: string[] = [];
    const { next: first } = this;
    for (let chars = 0; this.next < end && texts.length < batchLines && chars < batchChars; this.next++) {
      const text = this.buffer.line(this.next)?.text ?? '';
      texts.push(text);
      chars += text.length;
    }
    this.ask({ kind: 'lines', first, texts, generation });
  }

  private ask(ask: Ask): void {
    this.asked = ask;
    this.timer = setTimeout(() => this.fail('slow', ''), this.limit);
    this.worker?.postMessage(ask);
  }

  private take(answer: Answer): void {
    if (answer.generation !== this.generation || !this.asked) return;
    clearTimeout(this.timer);
    this.asked = undefined;
    if (answer.kind === 'query' && answer.error) return this.fail('wrong', answer.error);
    if (answer.kind === 'lines' && answer.ids.length > 0) {
      const { first } = this.buffer;
      this.ids = [...this.ids, ...answer.ids.filter((id) => id >= first)];
      this.tell();
    }
    if (answer.kind === 'spans') {
      if (this.spans.size > 5000) this.spans.clear();
      for (const [id, spans] of answer.spans) this.spans.set(id, spans);
      this.tell();
    }
    this.go();
  }

  private fail(state: SearchState, error: string): void {
    this.stop();
    this.state = state;
    this.error = error;
    this.tell();
  }

  private tell(): void {
    this.version++;
    for (const f of this.listeners) f();
  }
}

/** A search over a log's lines that follows both. */
export function useLogSearch(buffer: LogBuffer, version: number, query: Query): LogSearch {
  const search = useMemo(() => new LogSearch(buffer), [buffer]);
  const { text, regex, matchCase } = query;
  useEffect(() => {
    const timer = setTimeout(() => search.query({ text, regex, matchCase }), 150); // not at every key
    return () => clearTimeout(timer);
  }, [search, text, regex, matchCase]);
  useEffect(() => () => search.stop(), [search]);
  useSyncExternalStore(search.subscribe, search.snapshot);
  useEffect(() => search.update(), [search, version]);
  return search;
}
