import { Card, CardBody, CardTitle, Content, Grid, GridItem } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Schemas } from '../api/client';
import { bytes, cores, timeOfDay } from '../lib/format';
import { addSample, type Sample } from './samples';
import { Cpu, Memory, Unavailable } from './usage';

/** Live CPU and memory, collected while somebody looks, as charts and as a table. */
export function LiveChart({ id, usage, of }: { id: string; usage: Schemas['Usage']; of?: Schemas['Amount'] }) {
  const { t, i18n } = useTranslation();
  const client = useQueryClient();
  const key = ['samples', id];
  const samples = useQuery<Sample[]>({ queryKey: key, queryFn: () => [], initialData: [], staleTime: Infinity, gcTime: 3_600_000 }).data;
  useEffect(() => {
    client.setQueryData<Sample[]>(key, (old) => addSample(old ?? [], usage, Date.now()));
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [usage, id]);
  return (
    <Grid hasGutter>
      <Panel title={t('metrics.cpuTitle')} samples={samples} field="cpu" now={<Cpu usage={usage} of={of?.cpuNanoCores} />} scale={1e9} format={(v) => cores(v * 1e9, i18n.language)} />
      <Panel title={t('metrics.memoryTitle')} samples={samples} field="memory" now={<Memory usage={usage} of={of?.memoryBytes} />} scale={1} format={(v) => bytes(v, i18n.language)} />
      <GridItem>
        <Card>
          <CardTitle component="h2">{t('metrics.samples')}</CardTitle>
          <CardBody>
            <Content component="p" className="ew-muted">
              {t('metrics.collected')}
            </Content>
            <SampleTable samples={samples} />
          </CardBody>
        </Card>
      </GridItem>
    </Grid>
  );
}

function Panel({ title, samples, field, now, scale, format }: { title: string; samples: Sample[]; field: 'cpu' | 'memory'; now: React.ReactNode; scale: number; format: (v: number) => string }) {
  return (
    <GridItem lg={6}>
      <Card>
        <CardTitle component="h2">{title}</CardTitle>
        <CardBody>
          {now}
          <Chart samples={samples} field={field} scale={scale} format={format} />
        </CardBody>
      </Card>
    </GridItem>
  );
}

function Chart({ samples, field, scale, format }: { samples: Sample[]; field: 'cpu' | 'memory'; scale: number; format: (v: number) => string }) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const formatNow = useRef(format);
  formatNow.current = format;
  useEffect(() => {
    if (!box.current) return undefined;
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue('--pf-t--global--text--color--regular') || '#444';
    const line = '#0066cc';
    const u = new uPlot(
      {
        width: box.current.clientWidth || 300,
        height: 180,
        legend: { show: false },
        cursor: { sync: { key: 'metrics' } },
        scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
          { stroke: text, grid: { stroke: '#8884' } },
          { stroke: text, grid: { stroke: '#8884' }, size: 80, values: (_, ticks) => ticks.map((v) => formatNow.current(v)) },
        ],
        series: [{}, { stroke: line, fill: `${line}22`, width: 2, points: { show: true, size: 5 }, spanGaps: false }],
      },
      [[], []],
      box.current,
    );
    plot.current = u;
    const resize = new ResizeObserver(([entry]) => entry && u.setSize({ width: entry.contentRect.width, height: 180 }));
    resize.observe(box.current);
    return () => {
      resize.disconnect();
      u.destroy();
    };
  }, []);
  useEffect(() => {
    plot.current?.setData([samples.map((s) => s.at / 1000), samples.map((s) => (s[field] === undefined ? null : s[field] / scale))]);
  }, [samples, field, scale]);
  // The table beside the charts says the same in words.
  return <div ref={box} className="ew-chart" aria-hidden="true" />;
}

function SampleTable({ samples }: { samples: Sample[] }) {
  const { t, i18n } = useTranslation();
  return (
    <Table aria-label={t('metrics.samples')} variant="compact">
      <Thead>
        <Tr>
          <Th>{t('metrics.time')}</Th>
          <Th>{t('metrics.cpu')}</Th>
          <Th>{t('metrics.memory')}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {samples
          .slice(-8)
          .reverse()
          .map((s) => (
            <Tr key={s.at}>
              <Td>{timeOfDay(s.at, i18n.language)}</Td>
              <Td>{s.cpu === undefined ? <Unavailable usage={s} /> : t('metrics.cores', { value: cores(s.cpu, i18n.language) })}</Td>
              <Td>{s.memory === undefined ? <Unavailable usage={s} /> : bytes(s.memory, i18n.language)}</Td>
            </Tr>
          ))}
      </Tbody>
    </Table>
  );
}
