import { DescriptionListDescription, DescriptionListGroup, DescriptionListTerm, DescriptionList, Label, LabelGroup } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from './table';
import { useEffect, useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { dateTime, humanDuration } from '../lib/format';
import { Empty } from './states';

/** Name and value pairs. */
export function Facts({ rows, columns = 1 }: { rows: [string, ReactNode][]; columns?: 1 | 2 | 3 }) {
  return (
    <DescriptionList isHorizontal isCompact columnModifier={{ lg: columns === 1 ? '1Col' : columns === 2 ? '2Col' : '3Col' }}>
      {rows.map(([term, value]) => (
        <DescriptionListGroup key={term}>
          <DescriptionListTerm>{term}</DescriptionListTerm>
          <DescriptionListDescription>{value === undefined || value === '' || value === null ? '—' : value}</DescriptionListDescription>
        </DescriptionListGroup>
      ))}
    </DescriptionList>
  );
}

/** Now, once a second at most as often as needed for ages. */
export function useNow(every = 5_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** How long something has been, as kubectl writes ages; the exact time on hover. */
export function Age({ at, ago }: { at: string | undefined; ago?: boolean }) {
  const { t, i18n } = useTranslation();
  const now = useNow();
  if (!at || at.startsWith('0001')) return <>—</>;
  const age = humanDuration(now - Date.parse(at));
  return (
    <time dateTime={at} title={dateTime(at, i18n.language)} className="ew-nowrap">
      {ago ? t('common.ago', { age }) : age}
    </time>
  );
}

/** How often containers restarted and when they last did, such as "3 (5m ago)". */
export function Restarts({ pod }: { pod: Pick<Schemas['PodRow'], 'restarts' | 'restarted'> }) {
  if (!pod.restarted) return <>{pod.restarts}</>;
  return (
    <span className="ew-nowrap">
      {pod.restarts} (<Age at={pod.restarted} ago />)
    </span>
  );
}

/** Labels or annotations. */
export function Pairs({ pairs, name }: { pairs: Record<string, string>; name: string }) {
  const entries = Object.entries(pairs).sort(([a], [b]) => a.localeCompare(b));
  if (entries.length === 0) return <>—</>;
  return (
    <LabelGroup numLabels={12} aria-label={name}>
      {entries.map(([k, v]) => (
        <Label key={k} variant="outline" isCompact textMaxWidth="60ch">
          {v ? `${k}=${v}` : k}
        </Label>
      ))}
    </LabelGroup>
  );
}

/** A taint as kubectl writes it. */
export function taintText(t: Schemas['Taint']): string {
  return `${t.key}${t.value ? `=${t.value}` : ''}:${t.effect}`;
}

/** Conditions with reason, message and age. */
export function Conditions({ conditions }: { conditions: Schemas['Condition'][] }) {
  const { t } = useTranslation();
  if (conditions.length === 0) return <Empty title={t('conditions.none')} body={t('conditions.noneBody')} />;
  return (
    <Table aria-label={t('conditions.title')} variant="compact">
      <Thead>
        <Tr>
          <Th>{t('conditions.type')}</Th>
          <Th>{t('conditions.status')}</Th>
          <Th>{t('conditions.reason')}</Th>
          <Th>{t('conditions.message')}</Th>
          <Th>{t('conditions.since')}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {conditions.map((c) => (
          <Tr key={c.type}>
            <Td dataLabel={t('conditions.type')}>{c.type}</Td>
            <Td dataLabel={t('conditions.status')}>{c.status}</Td>
            <Td dataLabel={t('conditions.reason')}>{c.reason ?? '—'}</Td>
            <Td dataLabel={t('conditions.message')} modifier="breakWord">
              {c.message ?? '—'}
            </Td>
            <Td dataLabel={t('conditions.since')}>
              <Age at={c.since} />
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

/** Events, newest first. */
export function Events({ events }: { events: Schemas['Event'][] }) {
  const { t } = useTranslation();
  if (events.length === 0) return <Empty title={t('events.none')} body={t('events.noneBody')} />;
  return (
    <Table aria-label={t('events.title')} variant="compact">
      <Thead>
        <Tr>
          <Th>{t('events.last')}</Th>
          <Th>{t('events.type')}</Th>
          <Th>{t('events.reason')}</Th>
          <Th>{t('events.message')}</Th>
          <Th>{t('events.source')}</Th>
          <Th>{t('events.count')}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {events.map((e, i) => (
          <Tr key={`${e.last}-${e.reason}-${i}`}>
            <Td dataLabel={t('events.last')}>
              <Age at={e.last} />
            </Td>
            <Td dataLabel={t('events.type')}>{e.type}</Td>
            <Td dataLabel={t('events.reason')}>{e.reason}</Td>
            <Td dataLabel={t('events.message')} modifier="breakWord">
              {e.message}
            </Td>
            <Td dataLabel={t('events.source')}>{e.source ?? '—'}</Td>
            <Td dataLabel={t('events.count')}>{e.count}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
