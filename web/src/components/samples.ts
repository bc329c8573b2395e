import type { Schemas } from '../api/client';

/** One sample of a live chart. */
export interface Sample {
  /** Milliseconds. */
  at: number;
  cpu?: number;
  memory?: number;
  cause?: string;
  message?: string;
}

/** One hour at 15 s. */
const kept = 240;

/** Adds a sample unless it is there already. A sample that failed is a gap. */
export function addSample(old: Sample[], usage: Schemas['Usage'], now: number): Sample[] {
  const at = usage.timestamp ? Date.parse(usage.timestamp) : now;
  const last = old.at(-1);
  if (last && at <= last.at) return old;
  const next: Sample = { at, cpu: usage.cpuNanoCores, memory: usage.memoryBytes, cause: usage.cause, message: usage.message };
  return [...old, next].slice(-kept);
}
