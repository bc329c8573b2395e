import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useRef, useState, type CSSProperties, type ReactNode, type RefObject } from 'react';

/** Height of a row that is not wrapped, in pixels; the style sheet has the same. */
export const rowHeight = 20;
const overscan = 20;

interface RowsProps {
  box: RefObject<HTMLDivElement | null>;
  count: number;
  /** Follow the end. */
  stick: boolean;
  /** Rows that went away at the front since the beginning: what is looked at stays in place. */
  gone: number;
  keyOf: (i: number) => number;
  render: (i: number) => ReactNode;
  /** Row to bring into the middle; a new object for each wish. */
  goal?: { row: number };
}

/** Rows of one height: where each is needs no measuring, however many there are. */
export function FixedRows({ box, count, stick, gone, keyOf, render, goal }: RowsProps) {
  const [view, setView] = useState({ top: 0, height: 0 });
  const before = useRef(gone);
  useEffect(() => {
    const el = box.current;
    if (!el) return undefined;
    const look = () => setView({ top: el.scrollTop, height: el.clientHeight });
    const resized = new ResizeObserver(look);
    resized.observe(el);
    el.addEventListener('scroll', look, { passive: true });
    look();
    return () => {
      resized.disconnect();
      el.removeEventListener('scroll', look);
    };
  }, [box]);
  useLayoutEffect(() => {
    const el = box.current;
    if (!el) return;
    if (stick) el.scrollTop = el.scrollHeight;
    else if (gone !== before.current) el.scrollTop -= (gone - before.current) * rowHeight;
    before.current = gone;
  }, [box, count, stick, gone]);
  useEffect(() => {
    const el = box.current;
    if (goal && el) el.scrollTop = goal.row * rowHeight - el.clientHeight / 2;
  }, [box, goal]);
  const from = Math.max(0, Math.min(count, Math.floor(view.top / rowHeight)) - overscan);
  const to = Math.min(count, Math.ceil((view.top + view.height) / rowHeight) + overscan);
  return (
    <div style={{ height: count * rowHeight, position: 'relative' }}>
      {Array.from({ length: Math.max(0, to - from) }, (_, n) => from + n).map((i) => (
        <div key={keyOf(i)} className="ew-log-row" style={{ ...place, transform: `translateY(${i * rowHeight}px)` }}>
          {render(i)}
        </div>
      ))}
    </div>
  );
}

const place: CSSProperties = { position: 'absolute', top: 0, minWidth: '100%' };

/** Rows that are as high as their text. */
export function WrappedRows({ box, count, stick, keyOf, render, goal }: RowsProps) {
  const rows = useVirtualizer({ count, getScrollElement: () => box.current, estimateSize: () => rowHeight, overscan, getItemKey: keyOf });
  useEffect(() => {
    if (stick && count > 0) rows.scrollToIndex(count - 1, { align: 'end' });
    // The virtualizer is the same object at every render.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [count, stick]);
  useEffect(() => {
    if (goal) rows.scrollToIndex(goal.row, { align: 'center' });
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [goal]);
  return (
    <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
      {rows.getVirtualItems().map((item) => (
        <div key={item.key} ref={rows.measureElement} data-index={item.index} className="ew-log-row" style={{ ...place, maxWidth: '100%', transform: `translateY(${item.start}px)` }}>
          {item.index < count && render(item.index)}
        </div>
      ))}
    </div>
  );
}
