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

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
];

/** How long ago, in the largest unit that fits. */
export function ago(iso: string, now: number, language: string): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  const [unit, size] = steps.find(([, s]) => Math.abs(seconds) >= s) ?? ['second', 1];
  return new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' }).format(Math.trunc(seconds / size), unit);
}
