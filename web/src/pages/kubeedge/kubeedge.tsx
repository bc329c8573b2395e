import { Alert, Button, Card, CardBody, CardTitle, Grid, GridItem, PageSection, Switch, Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router';
import { api, data, type Schemas } from '../../api/client';
import { kubeEdgeDefaultsQuery, kubeEdgeQuery, rightsQuery } from '../../api/queries';
import { useParam } from '../../components/list-state';
import { Operation } from '../../components/operation';
import { PageHead } from '../../components/page';
import { Empty, Loaded } from '../../components/states';
import { KubeEdgeState } from '../../components/status';
import { Disable } from './disable';
import { Firewall } from './firewall';
import { SettingsForm } from './form';
import { Status } from './overview';
import { urlPath } from '../../lib/paths';

type View = Schemas['KubeEdgeView'];
type State = Schemas['OperationState'];

export function KubeEdge() {
  const { t } = useTranslation();
  const { cluster = '' } = useParams();
  const query = useQuery(kubeEdgeQuery(cluster));
  const rights = useQuery(rightsQuery(cluster));
  return (
    <>
      <PageHead
        crumbs={[{ label: t('nav.clusters'), to: '/clusters' }, { label: cluster, to: urlPath`/clusters/${cluster}/nodes` }, { label: 'KubeEdge' }]}
        title="KubeEdge"
        status={query.data && <KubeEdgeState state={query.data.state} />}
        description={t('kubeedge.description')}
      />
      <Loaded query={query}>{(view) => <Body key={cluster} cluster={cluster} view={view} admin={rights.data?.clusterAdmin === true} known={rights.data !== undefined} />}</Loaded>
    </>
  );
}

function Body({ cluster, view, admin, known }: { cluster: string; view: View; admin: boolean; known: boolean }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [tab, setTab] = useParam('tab', 'status');
  const [operation, setOperation] = useState<State>();
  const [finished, setFinished] = useState<State>();
  const [dialog, setDialog] = useState<'disable'>();
  const [enabling, setEnabling] = useState(false);
  const absent = view.state === 'Absent';
  const foreign = view.state === 'Foreign' || view.state === 'Unknown';
  const running = operation !== undefined && !finished;
  useQuery(kubeEdgeDefaultsQuery(cluster, 'NodePort', absent && admin)); // the form begins with them
  const start = (o: State) => {
    setFinished(undefined);
    setOperation(o);
    setTab('status');
  };
  const end = (o: State) => {
    setFinished(o);
    setEnabling(false);
    void queries.invalidateQueries({ queryKey: kubeEdgeQuery(cluster).queryKey });
    void queries.invalidateQueries({ queryKey: ['clusters'] });
    if (o.kind === 'enable' && !o.error) setTab('firewall');
  };
  return (
    <>
      <PageSection>
        {known && !admin && <Alert component="p" variant="info" isInline title={t('kubeedge.readOnly')}>{t('kubeedge.readOnlyBody')}</Alert>}
        {view.message && <Alert component="p" variant={foreign ? 'warning' : 'info'} isInline title={view.message} />}
        {!foreign && (
          <Switch
            id="kubeedge-toggle"
            label={t('kubeedge.toggle')}
            isChecked={!absent || enabling}
            isDisabled={!admin || running}
            onChange={(_, on) => {
              if (!on && !absent) setDialog('disable');
              else setEnabling(on);
            }}
          />
        )}
        {operation && (
          <Card>
            <CardTitle component="h2">{t(`kubeedge.running.${operation.kind}`)}</CardTitle>
            <CardBody>
              <Operation key={operation.id} cluster={cluster} operation={operation} onDone={end} words="kubeedge.steps" />
              {finished && !finished.error && <Alert component="p" variant="success" isInline title={t(`kubeedge.done.${finished.kind}`)} />}
            </CardBody>
          </Card>
        )}
        {!operation && view.operation && <Follow cluster={cluster} id={view.operation} start={start} />}
      </PageSection>
      {absent && !running && (
        <PageSection isFilled>
          {enabling ? (
            <SettingsForm cluster={cluster} admin={admin} onStarted={start} />
          ) : (
            <Empty
              title={t('kubeedge.off')}
              body={admin ? t('kubeedge.offBody') : t('kubeedge.offNoRight')}
              action={admin && <Button onClick={() => setEnabling(true)}>{t('kubeedge.enable')}</Button>}
            />
          )}
        </PageSection>
      )}
      {!absent && !foreign && (
        <>
          <PageSection type="tabs">
            <Tabs activeKey={tab} onSelect={(_, key) => setTab(String(key))} aria-label={t('kubeedge.tabs.label')} usePageInsets>
              {['status', 'settings', 'firewall'].map((key) => (
                <Tab key={key} eventKey={key} title={<TabTitleText>{t(`kubeedge.tabs.${key}`)}</TabTitleText>} tabContentId="kubeedge-tab" />
              ))}
            </Tabs>
          </PageSection>
          <PageSection isFilled id="kubeedge-tab" role="tabpanel" aria-label={t(`kubeedge.tabs.${tab}`)}>
            {tab === 'status' && (
              <Grid hasGutter>
                <GridItem>
                  <Status view={view} />
                </GridItem>
              </Grid>
            )}
            {tab === 'settings' && <SettingsForm key={view.revision} cluster={cluster} admin={admin && !running} current={view} onStarted={start} />}
            {tab === 'firewall' && <Firewall cluster={cluster} view={view} admin={admin} />}
          </PageSection>
        </>
      )}
      {dialog === 'disable' && (
        <Disable
          cluster={cluster}
          close={() => setDialog(undefined)}
          onStarted={(o) => {
            setDialog(undefined);
            start(o);
          }}
        />
      )}
    </>
  );
}

/** Picks up an operation that was started before the page was opened. */
function Follow({ cluster, id, start }: { cluster: string; id: string; start: (o: State) => void }) {
  const { t } = useTranslation();
  const open = useMutation({
    mutationFn: () => data(api.GET('/api/v1/clusters/{cluster}/operations/{operation}', { params: { path: { cluster, operation: id } } })),
    onSuccess: start,
  });
  return (
    <Alert component="p"
      variant="info"
      isInline
      title={t('kubeedge.atWork')}
      actionLinks={
        <Button variant="link" isInline onClick={() => open.mutate()}>
          {t('kubeedge.follow')}
        </Button>
      }
    />
  );
}
