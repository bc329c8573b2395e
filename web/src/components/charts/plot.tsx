import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { dashes, palette, useDark } from './dark';

export interface Line {
  label: string;
  values: (number | null)[];
}

const height = 180;
/** Steps of an axis of bytes, so that its marks are whole units. */
const powersOfTwo = Array.from({ length: 51 }, (_, i) => 2 ** i);

/**
 * Lines over time on one axis. All plots of a page share the cursor; null is a gap.
 * It is a picture only: the table beside it says the same in words.
 */
export default function Plot({ times, lines, from, to, binary, format, time }: { times: number[]; lines: Line[]; from: number; to: number; binary: boolean; format: (v: number) => string; time: (ms: number) => string }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const now = useRef({ format, time, from, to });
  now.current = { format, time, from, to };
  const names = lines.map((l) => l.label).join('\n');
  const dark = useDark();
  const colors = dark ? palette.dark : palette.light;
  useEffect(() => {
    if (!box.current) return undefined;
    const text = getComputedStyle(document.documentElement).getPropertyValue('--pf-t--global--text--color--regular') || '#444';
    const axis = { stroke: text, grid: { stroke: '#8884' }, ticks: { stroke: '#8884' } };
    const u = new uPlot(
      {
        width: box.current.clientWidth || 300,
        height,
        legend: { show: false },
        cursor: { sync: { key: 'edgeway-metrics' }, drag: { x: false, y: false } },
        scales: {
          x: { range: () => [now.current.from / 1000, now.current.to / 1000] },
          y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] },
        },
        axes: [{ ...axis, values: (_, ticks) => ticks.map((v) => now.current.time(v * 1000)) }, { ...axis, ...(binary && { incrs: powersOfTwo }), size: 80, values: (_, ticks) => ticks.map((v) => now.current.format(v)) }],
        series: [{}, ...lines.map((l, i) => ({ label: l.label, stroke: colors[i], dash: dashes[i], width: 2, spanGaps: false, points: { size: 4 } }))],
      },
      [[], ...lines.map(() => [])] as unknown as uPlot.AlignedData,
      box.current,
    );
    plot.current = u;
    const resize = new ResizeObserver(([entry]) => entry && u.setSize({ width: entry.contentRect.width, height }));
    resize.observe(box.current);
    return () => {
      resize.disconnect();
      u.destroy();
    };
    // Lines are data; only their names and the theme make another plot.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [names, dark]);
  useEffect(() => {
    plot.current?.setData([times.map((t) => t / 1000), ...lines.map((l) => l.values)] as uPlot.AlignedData);
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [times, lines, names, dark, from, to]);
  return <div ref={box} className="ew-chart" aria-hidden="true" />;
}
