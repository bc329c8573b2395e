import { Alert, Bullseye, Card, CardBody, CardTitle, Grid, GridItem, Spinner } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { lazy, Suspense, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { hourAndMinute, timeOfDay } from '../../lib/format';
import { dashes, palette, useDark } from './dark';
import { charts, figure, hasValues, units, type ChartOf, type Field } from './figures';

type History = Schemas['History'];

// The plotting library is a chunk of its own: only who looks at charts loads it.
const Plot = lazy(() => import('./plot'));

/** All charts of an object over one time range, each with its table. */
export function Histories({ history, missing }: { history: History; missing: Schemas['Missing'][] }) {
  return (
    <>
      {history.message && <Alert component="p" variant="warning" isInline title={history.message} />}
      <Grid hasGutter>
        {charts.map((chart) => (
          <GridItem key={chart.name} xl2={6}>
            <ChartCard chart={chart} history={history} missing={missing} />
          </GridItem>
        ))}
      </Grid>
    </>
  );
}

function ChartCard({ chart, history, missing }: { chart: ChartOf; history: History; missing: Schemas['Missing'][] }) {
  const { t, i18n } = useTranslation();
  const unit = units[chart.fields[0] as Field];
  const lines = useMemo(
    () => chart.fields.map((f) => ({ label: t(`monitoring.fields.${f}`), values: history.series[f] ?? [] })),
    [chart, history, t],
  );
  const there = hasValues(history, chart.fields);
  const why = missing.find((m) => chart.fields.includes(m.field as Field));
  return (
    <Card isFullHeight isCompact>
      <CardTitle component="h2">{t(`monitoring.charts.${chart.name}`)}</CardTitle>
      <CardBody>
        {there ? (
          <Grid hasGutter>
            <GridItem md={7}>
              <Suspense fallback={<Bullseye className="ew-chart"><Spinner aria-label={t('common.loading')} /></Bullseye>}>
                <Plot times={history.timesMs} lines={lines} from={history.fromMs} to={history.toMs} binary={unit === 'bytes' || unit === 'bytesPerSecond'} time={(ms) => hourAndMinute(ms, i18n.language)} format={(v) => figure(v, unit, i18n.language)} />
              </Suspense>
            </GridItem>
            <GridItem md={5}>
              <Values name={t(`monitoring.charts.${chart.name}`)} chart={chart} history={history} />
            </GridItem>
          </Grid>
        ) : (
          <p className="ew-muted">
            {t('metrics.unavailable')}
            {why && ` — ${t(`monitoring.causes.${why.cause}`, { defaultValue: why.cause })}${why.message ? `: ${why.message}` : ''}`}
          </p>
        )}
      </CardBody>
    </Card>
  );
}

/** The rows that a table shows; a gap between them is a row too. */
const shownRows = 60;

function Values({ name, chart, history }: { name: string; chart: ChartOf; history: History }) {
  const { t, i18n } = useTranslation();
  const colors = useDark() ? palette.dark : palette.light;
  const rows = history.timesMs.map((at, i) => ({ at, values: chart.fields.map((f) => history.series[f]?.[i] ?? null) })).reverse();
  return (
    <div className="ew-values" tabIndex={0} role="region" aria-label={t('monitoring.tableOf', { name })}>
      <Table aria-label={t('monitoring.tableOf', { name })} variant="compact" borders={false} isStickyHeader>
        <Thead>
          <Tr>
            <Th>{t('metrics.time')}</Th>
            {chart.fields.map((f, i) => (
              <Th key={f}>
                <svg className="ew-swatch" viewBox="0 0 24 4" aria-hidden="true" focusable="false">
                  <line x1="0" y1="2" x2="24" y2="2" stroke={colors[i]} strokeWidth="3" strokeDasharray={dashes[i]?.join(' ')} />
                </svg>
                {t(`monitoring.fields.${f}`)}
              </Th>
            ))}
          </Tr>
        </Thead>
        <Tbody>
          {rows.slice(0, shownRows).map((row) => (
            <Tr key={row.at}>
              <Td className="ew-nowrap">{timeOfDay(row.at, i18n.language)}</Td>
              {row.values.map((v, i) => (
                <Td key={chart.fields[i]} className="ew-nowrap">
                  {v === null ? <span className="ew-muted">{t('monitoring.gap')}</span> : figure(v, units[chart.fields[i] as Field], i18n.language)}
                </Td>
              ))}
            </Tr>
          ))}
        </Tbody>
      </Table>
    </div>
  );
}
