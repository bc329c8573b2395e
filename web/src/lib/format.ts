/** CPU in cores from nanocores, "0.123". */
export function cores(nano: number, language: string): string {
  return new Intl.NumberFormat(language, { maximumFractionDigits: 3 }).format(nano / 1e9);
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes with a binary unit. */
export function bytes(n: number, language: string): string {
  let i = 0;
  let v = n;
  while (Math.abs(v) >= 1024 && i < units.length - 1) {
    v /= 1024;
    i++;
  }
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: v < 10 && i > 0 ? 1 : 0 }).format(v)} ${units[i]}`;
}

/** Share of a whole, undefined when the whole is nothing. */
export function share(part: number, whole: number): number | undefined {
  return whole > 0 ? part / whole : undefined;
}

/** A share as per cent. */
export function percent(value: number, language: string): string {
  return new Intl.NumberFormat(language, { style: 'percent', maximumFractionDigits: value < 0.1 ? 1 : 0 }).format(value);
}

/** Date and time as the language writes them. */
export function dateTime(iso: string, language: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(iso));
}

/** Time of day. */
export function timeOfDay(ms: number, language: string): string {
  return new Intl.DateTimeFormat(language, { timeStyle: 'medium' }).format(ms);
}

/** Time of day without seconds, for axes. */
export function hourAndMinute(ms: number, language: string): string {
  return new Intl.DateTimeFormat(language, { timeStyle: 'short' }).format(ms);
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const year = 365 * day;

/**
 * A duration as kubectl writes it, such as "5m30s" or "2d4h": two units while the first one
 * is small. ages.json has examples, which are checked against Kubernetes' own code as well.
 */
export function humanDuration(ms: number): string {
  // Clocks that differ by less than two seconds do not matter.
  if (ms <= -2 * second) return '<invalid>';
  if (ms < 2 * minute) return `${whole(Math.max(ms, 0), second)}s`;
  if (ms < 10 * minute) return pair(ms, minute, 'm', second, 's');
  if (ms < 3 * hour) return `${whole(ms, minute)}m`;
  if (ms < 8 * hour) return pair(ms, hour, 'h', minute, 'm');
  if (ms < 2 * day) return `${whole(ms, hour)}h`;
  if (ms < 8 * day) return pair(ms, day, 'd', hour, 'h');
  if (ms < 2 * year) return `${whole(ms, day)}d`;
  if (ms < 8 * year) return pair(ms, year, 'y', day, 'd');
  return `${whole(ms, year)}y`;
}

const whole = (ms: number, unit: number) => Math.floor(ms / unit);

function pair(ms: number, unit: number, name: string, small: number, smallName: string): string {
  const rest = whole(ms % unit, small);
  return `${whole(ms, unit)}${name}${rest === 0 ? '' : `${rest}${smallName}`}`;
}
