import { Alert, AlertActionLink, List, ListItem } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, data, type Schemas } from '../../api/client';
import { InlineError } from '../../components/states';

type Enrollment = Schemas['Enrollment'];

const spent = new Set(['CodeUsed', 'CertificateIssued']);

function failed(e: Enrollment, type: string) {
  return e.conditions.find((c) => c.type === type && c.status === 'False');
}

/** What the device itself says: each check that failed with its remedy, or why its join failed. */
export function DeviceReport({ cluster, e }: { cluster: string; e: Enrollment }) {
  const { t } = useTranslation();
  const giveUp = useMutation({
    mutationFn: () =>
      data(
        api.PATCH('/api/v1/clusters/{cluster}/enrollments/{enrollment}', {
          params: { path: { cluster, enrollment: e.name } },
          body: { state: 'Retired' },
        }),
      ),
  });
  const device = failed(e, 'DeviceChecked');
  const code = failed(e, 'CodeAccepted');
  const checks = e.failedChecks ?? [];
  return (
    <>
      {device && (
        <Alert
          component="p"
          variant="danger"
          isInline
          title={checks.length > 0 ? t('join.device.checks', { node: e.nodeName }) : t('join.device.failed', { node: e.nodeName })}
          actionLinks={spent.has(e.phase) && <AlertActionLink onClick={() => giveUp.mutate()}>{t('join.device.giveUp')}</AlertActionLink>}
        >
          {checks.length > 0 ? (
            <List isPlain>
              {checks.map((c) => (
                <ListItem key={c.id}>
                  <strong>{c.title}</strong>
                  {c.detail && <>: {c.detail}</>}
                  {c.remedy && <div>→ {c.remedy}</div>}
                </ListItem>
              ))}
            </List>
          ) : (
            device.message
          )}
          <p>{spent.has(e.phase) ? t('join.device.spent') : t('join.device.again')}</p>
        </Alert>
      )}
      {code && (
        <Alert component="p" variant="warning" isInline title={t('join.device.refused')}>
          {code.message}
        </Alert>
      )}
      <InlineError error={giveUp.error} />
    </>
  );
}
