import { Tbody, Td, Tr } from '@patternfly/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useLayoutEffect, useRef, useState, type ReactNode, type Ref } from 'react';

/** Tables up to this long are in the document as a whole. */
const short = 100;
/** Height that a row is taken to have until it was seen, in pixels. */
const guess = 64;
const overscan = 12;

/**
 * Where a row of a long table is, and what measures it; nothing in a short one. Given one by
 * one and unchanged, so that a memoized row is rendered once while it is in sight.
 */
export interface RowPlace {
  index?: number;
  measure?: Ref<HTMLTableRowElement>;
}

/** Attributes of the row. */
export const placed = ({ index, measure }: RowPlace) => (index === undefined ? {} : { ref: measure, 'data-index': index, 'aria-rowindex': index + 2 });

/**
 * Attributes of a table with that many rows: the width of its columns does not depend on
 * the rows that happen to be in the document, and screen readers know how many there are.
 */
export const longTable = (count: number) => (count > short ? { className: 'pf-m-fixed', 'aria-rowcount': count + 1 } : {});

interface LongBodyProps<T> {
  items: T[];
  keyOf: (item: T) => string;
  /** How many columns the table has. */
  columns: number;
  row: (item: T, place: RowPlace) => ReactNode;
}

/** The body of a table of which, when it is long, only the rows in sight are in the document. */
export function LongBody<T>(props: LongBodyProps<T>) {
  if (props.items.length > short) return <Virtual {...props} />;
  return <Tbody>{props.items.map((item) => props.row(item, {}))}</Tbody>;
}

function Virtual<T>({ items, keyOf, columns, row }: LongBodyProps<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [box, setBox] = useState<HTMLElement | null>(null);
  const [above, setAbove] = useState(0);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => box,
    estimateSize: () => guess,
    overscan,
    scrollMargin: above,
    getItemKey: (i) => keyOf(items[i] as T),
  });
  useLayoutEffect(() => {
    const found = scrollBox(body.current);
    setBox(found);
    if (found && body.current) setAbove(body.current.getBoundingClientRect().top - found.getBoundingClientRect().top + found.scrollTop);
  }, [items.length]);
  const shown = rows.getVirtualItems();
  const before = (shown[0]?.start ?? above) - above;
  const after = rows.getTotalSize() - ((shown.at(-1)?.end ?? above) - above);
  return (
    <Tbody ref={body}>
      <Gap height={before} columns={columns} />
      {shown.map((v) => row(items[v.index] as T, { index: v.index, measure: rows.measureElement }))}
      <Gap height={after} columns={columns} />
    </Tbody>
  );
}

/** Stands for the rows that are not in the document. */
function Gap({ height, columns }: { height: number; columns: number }) {
  if (height <= 0) return null;
  return (
    <Tr aria-hidden="true" style={{ height, border: 0 }}>
      <Td colSpan={columns} style={{ padding: 0 }} />
    </Tr>
  );
}

/** The nearest ancestor that scrolls. */
function scrollBox(from: HTMLElement | null): HTMLElement | null {
  for (let e = from?.parentElement ?? null; e; e = e.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(e).overflowY)) return e;
  }
  return document.documentElement;
}
