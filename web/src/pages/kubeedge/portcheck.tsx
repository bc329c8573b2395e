import { Button, Content, Label } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, data, type Schemas } from '../../api/client';
import { InlineError } from '../../components/states';
import { Table, Tbody, Td, Th, Thead, Tr } from '../../components/table';
import { dateTime } from '../../lib/format';

const statuses = { Open: 'success', Closed: 'danger', TimedOut: 'danger', Unreachable: 'danger', Refused: 'warning' } as const;

/** Lets the console try the ports, and shows what it found. */
export function PortCheck({ cluster }: { cluster: string }) {
  const { t } = useTranslation();
  const check = useMutation({ mutationFn: () => data(api.POST('/api/v1/clusters/{cluster}/kubeedge/check', { params: { path: { cluster } } })) });
  return (
    <div>
      <Button variant="secondary" onClick={() => check.mutate()} isLoading={check.isPending} isDisabled={check.isPending}>
        {t('portcheck.now')}
      </Button>
      <InlineError error={check.error} />
      <div aria-live="polite">{check.data && <Results check={check.data} />}</div>
    </div>
  );
}

function Results({ check }: { check: Schemas['PortCheck'] }) {
  const { t, i18n } = useTranslation();
  return (
    <>
      <Content component="p">{t('portcheck.from', { host: check.host, at: dateTime(check.at, i18n.language) })}</Content>
      <Table aria-label={t('portcheck.results')} variant="compact">
        <Thead>
          <Tr>
            <Th>{t('firewall.service')}</Th>
            <Th>{t('portcheck.address')}</Th>
            <Th>{t('portcheck.result')}</Th>
            <Th>{t('portcheck.source')}</Th>
            <Th>{t('portcheck.detail')}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {check.results.map((r) => (
            <Tr key={`${r.name} ${r.address} ${r.ip}`}>
              <Td dataLabel={t('firewall.service')}>{t(`firewall.names.${r.name}`)}</Td>
              <Td dataLabel={t('portcheck.address')} className="ew-mono">{`${r.ip && r.ip !== r.address ? `${r.address} (${r.ip})` : r.address} : ${r.port}/${r.protocol}`}</Td>
              <Td dataLabel={t('portcheck.result')}>
                <Label isCompact status={statuses[r.outcome]}>
                  {t(`portcheck.outcomes.${r.outcome}`)}
                </Label>
              </Td>
              <Td dataLabel={t('portcheck.source')} className="ew-mono">{r.from ?? '—'}</Td>
              <Td dataLabel={t('portcheck.detail')} modifier="breakWord">{r.message ?? '—'}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </>
  );
}
