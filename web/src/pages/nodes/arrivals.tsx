import { Alert, AlertActionCloseButton, AlertActionLink, AlertGroup } from '@patternfly/react-core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { api, data, type Schemas } from '../../api/client';
import { enrollmentsQuery } from '../../api/queries';
import { InlineError } from '../../components/states';
import { urlPath } from '../../lib/paths';

const underway = new Set(['Pending', 'CodeUsed', 'CertificateIssued', 'Registered']);

/** Devices that are on their way: their code is out, but the node is not there yet. */
export function Arrivals({ cluster, enrollments, mayChange }: { cluster: string; enrollments: Schemas['Enrollment'][]; mayChange: boolean }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [hidden, setHidden] = useState<string[]>([]);
  const revoke = useMutation({
    mutationFn: (enrollment: string) =>
      data(
        api.PATCH('/api/v1/clusters/{cluster}/enrollments/{enrollment}', {
          params: { path: { cluster, enrollment } },
          body: { state: 'Revoked' },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: enrollmentsQuery(cluster).queryKey }),
  });
  const list = enrollments.filter((e) => underway.has(e.phase) && e.state !== 'Revoked' && !hidden.includes(e.name));
  return (
    <AlertGroup>
      <InlineError error={revoke.error} />
      {list.map((e) => (
        <Alert component="p"
          key={e.name}
          isInline
          variant="info"
          title={t('arrivals.title', { node: e.nodeName })}
          actionClose={<AlertActionCloseButton aria-label={t('arrivals.hide', { node: e.nodeName })} onClose={() => setHidden([...hidden, e.name])} />}
          actionLinks={
            <>
              <AlertActionLink onClick={() => void navigate(urlPath`/clusters/${cluster}/join?enrollment=${e.name}`)}>{t('arrivals.watch')}</AlertActionLink>
              {mayChange && <AlertActionLink onClick={() => revoke.mutate(e.name)}>{t('arrivals.revoke')}</AlertActionLink>}
            </>
          }
        >
          {t(`join.phases.${e.phase}`)}
        </Alert>
      ))}
    </AlertGroup>
  );
}
