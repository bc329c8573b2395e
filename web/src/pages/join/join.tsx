import { PageSection, ProgressStep, ProgressStepper } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams, useSearchParams } from 'react-router';
import type { Schemas } from '../../api/client';
import { joinDefaultsQuery } from '../../api/queries';
import { PageHead } from '../../components/page';
import { LinkButton } from '../../components/shell';
import { Empty, Loaded } from '../../components/states';
import { Arrival } from './arrival';
import { Batch } from './batch';
import { Commands } from './commands';
import { JoinForm } from './form';
import { urlPath } from '../../lib/paths';

/** The wizard: what the node is, how it joins, and its arrival. */
export function Join() {
  const { t } = useTranslation();
  const { cluster = '' } = useParams();
  const [params, setParams] = useSearchParams();
  const [made, setMade] = useState<Schemas['NewEnrollment']>();
  const [request, setRequest] = useState<Schemas['JoinRequest']>();
  const enrollment = params.get('enrollment');
  const many = params.has('many');
  const step = enrollment ? 3 : made ? 2 : 1;
  const watch = (name: string) => setParams({ enrollment: name });
  return (
    <>
      <PageHead
        crumbs={[
          { label: t('nav.clusters'), to: '/clusters' },
          { label: cluster, to: urlPath`/clusters/${cluster}/nodes` },
          { label: t('nodes.title'), to: urlPath`/clusters/${cluster}/nodes` },
          { label: t('join.title') },
        ]}
        title={t('join.title')}
        description={t(many ? 'join.batch.description' : `join.steps.${step}.description`)}
        actions={step === 1 && <LinkButton variant="secondary" to={urlPath`/clusters/${cluster}/join` + (many ? '' : '?many')}>{many ? t('join.batch.one') : t('join.batch.title')}</LinkButton>}
      />
      {!many && (
        <PageSection>
          <ProgressStepper aria-label={t('join.title')}>
            {[1, 2, 3].map((n) => (
              <ProgressStep
                key={n}
                id={`join-${n}`}
                titleId={`join-${n}-title`}
                isCurrent={n === step}
                variant={n < step ? 'success' : n === step ? 'info' : 'pending'}
                aria-label={t(`join.steps.${n}.title`)}
              >
                {t(`join.steps.${n}.title`)}
              </ProgressStep>
            ))}
          </ProgressStepper>
        </PageSection>
      )}
      <PageSection isFilled>
        {step === 1 && <First cluster={cluster} many={many} request={request} onMade={(m, r) => { setMade(m); setRequest(r); }} />}
        {step === 2 && made && <Commands cluster={cluster} made={made} next={() => watch(made.name)} />}
        {step === 3 && enrollment && <Arrival cluster={cluster} enrollment={enrollment} made={made} />}
      </PageSection>
    </>
  );
}

function First({ cluster, many, request, onMade }: { cluster: string; many: boolean; request?: Schemas['JoinRequest']; onMade: (made: Schemas['NewEnrollment'], request: Schemas['JoinRequest']) => void }) {
  const { t } = useTranslation();
  const defaults = useQuery(joinDefaultsQuery(cluster));
  return (
    <Loaded query={defaults}>
      {(d) =>
        d.ready && many ? (
          <Batch cluster={cluster} base={d.request} />
        ) : d.ready ? (
          <JoinForm cluster={cluster} initial={request ?? d.request} onMade={onMade} />
        ) : (
          <Empty
            title={t('join.notReady')}
            body={t(`join.reasons.${d.reason ?? 'KubeEdgeNotEnabled'}`)}
            action={<LinkButton to={urlPath`/clusters/${cluster}/kubeedge`}>{t('nodes.toKubeedge')}</LinkButton>}
          />
        )
      }
    </Loaded>
  );
}
