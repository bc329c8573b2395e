import { Alert, Content } from '@patternfly/react-core';
import { Fragment } from 'react';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';

/** What retiring a node means for its pods, and what stands in the way. */
export function Plan({ plan }: { plan: Schemas['LeavePlan'] }) {
  const { t } = useTranslation();
  const lists: [string, string[]][] = [
    ['leave.unmanaged', plan.unmanaged],
    ['leave.localData', plan.localData],
    ['leave.daemonSets', plan.daemonSets],
    ['leave.mirror', plan.mirror],
  ];
  return (
    <Content>
      {!plan.online && <Alert component="p" variant="warning" isInline title={t('leave.offline')} />}
      {plan.retiring && (
        <Alert component="p" variant="info" isInline title={t('leave.retiring')}>
          {plan.retiring}
        </Alert>
      )}
      <p>{t('leave.evicted', { count: plan.evicted.length })}</p>
      {plan.evicted.length > 0 && <p className="ew-mono">{plan.evicted.join(', ')}</p>}
      {lists.map(([words, pods]) => pods.length > 0 && <p key={words}>{t(words, { list: pods.join(', ') })}</p>)}
      {plan.refused.length > 0 && (
        <Alert component="p" variant="warning" isInline title={t('leave.refused')}>
          {plan.refused.map((r) => (
            <Fragment key={r.pod}>
              {r.pod}: {r.reason}
              <br />
            </Fragment>
          ))}
        </Alert>
      )}
    </Content>
  );
}
