/** The path of a sparkline: null is a gap, a lone point a dot. */
export function sparkPath(values: (number | null)[], width: number, height: number, top: number): string {
  const max = top > 0 ? top : 1;
  const x = (i: number) => round((i * width) / Math.max(1, values.length - 1));
  const y = (v: number) => round(height - (Math.min(v, max) / max) * height);
  let path = '';
  values.forEach((v, i) => {
    if (v === null) return;
    const before = i > 0 ? values[i - 1] : null;
    const after = i < values.length - 1 ? values[i + 1] : null;
    path += `${before === null || before === undefined ? 'M' : 'L'}${x(i)} ${y(v)}`;
    if ((before === null || before === undefined) && (after === null || after === undefined)) path += 'h1';
  });
  return path;
}

function round(v: number): number {
  return Math.round(v * 10) / 10;
}

/** A small chart without axes. What it says is beside it in words. */
export function Sparkline({ values, top }: { values: (number | null)[]; top: number }) {
  return (
    <svg className="ew-spark" viewBox="-1 -1 122 26" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      <path d={sparkPath(values, 120, 24, top)} />
    </svg>
  );
}
