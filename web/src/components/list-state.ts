import { useCallback } from 'react';
import { useSearchParams } from 'react-router';

/** State of a list in the URL: one parameter, its value and how to change it. */
export function useParam(name: string, fallback = ''): [string, (value: string) => void] {
  const [params, setParams] = useSearchParams();
  const set = useCallback(
    (value: string) => {
      setParams(
        (old) => {
          const next = new URLSearchParams(old);
          if (value === fallback) next.delete(name);
          else next.set(name, value);
          return next;
        },
        { replace: true },
      );
    },
    [name, fallback, setParams],
  );
  return [params.get(name) ?? fallback, set];
}

/** Sorting by a column, in the URL as "name" or "-name". */
export function useSort(fallback: string): { column: string; descending: boolean; toggle: (column: string) => void } {
  const [sort, setSort] = useParam('sort', fallback);
  const descending = sort.startsWith('-');
  const column = descending ? sort.slice(1) : sort;
  const toggle = (next: string) => setSort(next === column && !descending ? `-${next}` : next);
  return { column, descending, toggle };
}

/** Compares two values of a column; what is not there comes last. */
export function compare(a: string | number | undefined, b: string | number | undefined, descending: boolean): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  return descending ? -order : order;
}
