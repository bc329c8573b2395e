import { Tooltip } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { bytes, percent, share, timeOfDay } from '../../lib/format';
import { figure, fields, units } from './figures';

type Object = Schemas['Object'];

/** The most recent samples with every figure; what is not there says why. */
export function Recent({ object }: { object: Object }) {
  const { t, i18n } = useTranslation();
  const samples = [...object.recent].reverse();
  return (
    <div className="ew-scroll" tabIndex={0} role="region" aria-label={t('monitoring.recent')}>
      <Table aria-label={t('monitoring.recent')} variant="compact">
        <Thead>
          <Tr>
            <Th>{t('monitoring.figure')}</Th>
            {samples.map((s) => (
              <Th key={s.time}>{timeOfDay(Date.parse(s.time), i18n.language)}</Th>
            ))}
          </Tr>
        </Thead>
        <Tbody>
          {fields.map((f) => (
            <Tr key={f}>
              <Th scope="row" className="ew-nowrap">{t(`monitoring.fields.${f}`)}</Th>
              {samples.map((s, i) => (
                <Td key={s.time} className="ew-nowrap">
                  {s[f] === undefined ? i === 0 ? <Why missing={object.unavailable.find((m) => m.field === f)} /> : '—' : figure(s[f] as number, units[f], i18n.language)}
                </Td>
              ))}
            </Tr>
          ))}
        </Tbody>
      </Table>
    </div>
  );
}

function Why({ missing }: { missing: Schemas['Missing'] | undefined }) {
  const { t } = useTranslation();
  const cause = missing ? t(`monitoring.causes.${missing.cause}`, { defaultValue: missing.cause }) : '';
  return (
    <Tooltip content={[cause, missing?.message].filter(Boolean).join(' — ')}>
      <span className="ew-muted" tabIndex={0}>
        {t('metrics.unavailable')}
      </span>
    </Tooltip>
  );
}

/** Devices, volumes and writable layers as the newest sample has them. */
export function Filesystems({ object }: { object: Object }) {
  const { t, i18n } = useTranslation();
  const list = object.recent.at(-1)?.filesystems ?? [];
  if (list.length === 0) return <p className="ew-muted">{t('monitoring.noFilesystems')}</p>;
  const text = (v: number | undefined) => (v === undefined ? <span className="ew-muted">{t('metrics.unavailable')}</span> : bytes(v, i18n.language));
  return (
    <Table aria-label={t('monitoring.filesystems')} variant="compact">
      <Thead>
        <Tr>
          <Th>{t('monitoring.name')}</Th>
          <Th>{t('monitoring.kind')}</Th>
          <Th>{t('monitoring.used')}</Th>
          <Th>{t('monitoring.available')}</Th>
          <Th>{t('monitoring.capacity')}</Th>
          <Th>{t('monitoring.share')}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {list.map((f) => {
          const part = f.usedBytes === undefined || f.capacityBytes === undefined ? undefined : share(f.usedBytes, f.capacityBytes);
          return (
            <Tr key={f.kind + f.name}>
              <Td dataLabel={t('monitoring.name')} className="ew-mono">{f.name}</Td>
              <Td dataLabel={t('monitoring.kind')}>{t(`monitoring.kinds.${f.kind}`)}</Td>
              <Td dataLabel={t('monitoring.used')}>{text(f.usedBytes)}</Td>
              <Td dataLabel={t('monitoring.available')}>{text(f.availableBytes)}</Td>
              <Td dataLabel={t('monitoring.capacity')}>{text(f.capacityBytes)}</Td>
              <Td dataLabel={t('monitoring.share')}>{part === undefined ? '—' : percent(part, i18n.language)}</Td>
            </Tr>
          );
        })}
      </Tbody>
    </Table>
  );
}

