import { ActionGroup, Alert, Card, CardBody, CardTitle, Form, Grid, GridItem, ProgressStep, ProgressStepper } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, data, type Schemas } from '../../api/client';
import { useEvents } from '../../api/events';
import { Copy } from '../../components/copy';
import { Conditions } from '../../components/detail';
import { LinkButton } from '../../components/shell';
import { Loaded } from '../../components/states';
import { DeviceReport } from './device-report';
import { urlPath } from '../../lib/paths';

type Enrollment = Schemas['Enrollment'];

const phases = ['Pending', 'CodeUsed', 'CertificateIssued', 'Registered', 'Ready', 'TunnelUp', 'Verified'];
const ends = new Set(['Refused', 'Expired', 'Retired']);
/** Conditions that the device's own report tells. */
const reported = new Set(['DeviceChecked', 'CodeAccepted']);

/** Where the phases end: without a tunnel nothing can be read through it. */
function lastPhase(e: Enrollment): string {
  return e.edgeStream ? 'Verified' : 'Ready';
}

/** Step 3: the node arrives, phase by phase. */
export function Arrival({ cluster, enrollment, made }: { cluster: string; enrollment: string; made?: Schemas['NewEnrollment'] }) {
  const first = useQuery({
    queryKey: ['enrollment', cluster, enrollment],
    queryFn: () => data(api.GET('/api/v1/clusters/{cluster}/enrollments/{enrollment}', { params: { path: { cluster, enrollment } } })),
  });
  const news = useEvents<Enrollment>(urlPath`/api/v1/clusters/${cluster}/enrollments/${enrollment}/events`, (e) => e.phase === lastPhase(e) || ends.has(e.phase));
  return <Loaded query={first}>{(e) => <Phases cluster={cluster} e={news ?? e} command={made?.command} />}</Loaded>;
}

function Phases({ cluster, e, command }: { cluster: string; e: Enrollment; command?: string }) {
  const { t } = useTranslation();
  const shown = phases.slice(0, phases.indexOf(lastPhase(e)) + 1);
  const at = shown.indexOf(e.phase);
  const done = e.phase === lastPhase(e);
  const failed = ends.has(e.phase);
  const why = e.conditions.filter((c) => c.status === 'False' && c.message && !reported.has(c.type));
  return (
    <Grid hasGutter>
      <GridItem lg={5}>
        <Card>
          <CardTitle component="h2">{t('join.arriving', { node: e.nodeName })}</CardTitle>
          <CardBody aria-live="polite">
            <ProgressStepper isVertical aria-label={t('join.arriving', { node: e.nodeName })}>
              {shown.map((phase, i) => {
                // Pending is what has been done already: the code is there.
                const passed = i <= at;
                return (
                  <ProgressStep
                    key={phase}
                    id={`phase-${phase}`}
                    titleId={`phase-${phase}-title`}
                    variant={failed ? 'pending' : passed ? 'success' : i === at + 1 ? 'info' : 'pending'}
                    isCurrent={!done && !failed && i === at + 1}
                    aria-label={`${t(`join.phases.${phase}`)}: ${passed ? t('operation.states.Done') : t('operation.states.Waiting')}`}
                  >
                    {t(`join.phases.${phase}`)}
                  </ProgressStep>
                );
              })}
            </ProgressStepper>
          </CardBody>
        </Card>
      </GridItem>
      <GridItem lg={7}>
        {done && <Alert component="p" variant="success" isInline title={t('join.arrived', { node: e.nodeName })} />}
        {failed && <Alert component="p" variant="danger" isInline title={t(`join.phases.${e.phase}`)} />}
        <DeviceReport cluster={cluster} e={e} />
        {!done &&
          why.map((c) => (
            <Alert component="p" key={c.type} variant={failed ? 'danger' : 'info'} isInline title={c.message ?? ''}>
              {c.type}: {c.reason}
            </Alert>
          ))}
        {e.phase === 'Pending' && (
          <Alert component="p" variant="info" isInline title={t('join.waitingForCode')}>
            {command && <Copy text={command} name={t('join.command')} />}
          </Alert>
        )}
        {e.conditions.length > 0 && <Conditions conditions={e.conditions} />}
        <Form>
          <ActionGroup>
            {(done || at >= phases.indexOf('Registered')) && <LinkButton to={urlPath`/clusters/${cluster}/nodes/${e.nodeName}`}>{t('join.toNode')}</LinkButton>}
            <LinkButton variant="link" to={urlPath`/clusters/${cluster}/nodes`}>
              {t('join.finish')}
            </LinkButton>
          </ActionGroup>
        </Form>
      </GridItem>
    </Grid>
  );
}
