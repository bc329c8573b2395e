import { Button, Card, CardBody, CardTitle, Grid, GridItem, PageSection, Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router';
import { api, data, type Schemas } from '../../api/client';
import { nodeEventsQuery, nodeQuery, podsQuery, rightsQuery } from '../../api/queries';
import { Age, Conditions, Events, Facts, Pairs, taintText } from '../../components/detail';
import { useParam } from '../../components/list-state';
import { PageHead } from '../../components/page';
import { InlineError, Loaded } from '../../components/states';
import { NodeState, Tunnel } from '../../components/status';
import { Cpu, Memory } from '../../components/usage';
import { bytes, cores } from '../../lib/format';
import { PodTable } from '../pods/pods';
import { Allocated } from './allocated';
import { EditMetadata } from './edit-metadata';
import { Leave } from './leave';
import { NodeMonitoring } from './monitoring';
import { urlPath } from '../../lib/paths';

export function NodePage() {
  const { t } = useTranslation();
  const { cluster = '', node = '' } = useParams();
  const query = useQuery(nodeQuery(cluster, node));
  const rights = useQuery(rightsQuery(cluster));
  const [tab, setTab] = useParam('tab', 'overview');
  const n = query.data;
  return (
    <>
      <PageHead
        crumbs={[
          { label: t('nav.clusters'), to: '/clusters' },
          { label: cluster, to: urlPath`/clusters/${cluster}/nodes` },
          { label: t('nodes.title'), to: urlPath`/clusters/${cluster}/nodes` },
          { label: node },
        ]}
        title={node}
        status={n && <NodeState node={n} />}
        actions={n && <Actions cluster={cluster} node={n} rights={rights.data} />}
      />
      <PageSection type="tabs">
        <Tabs activeKey={tab} onSelect={(_, key) => setTab(String(key))} aria-label={t('node.tabs.label')} usePageInsets>
          {['overview', 'pods', 'monitoring', 'events', 'metadata'].map((key) => (
            <Tab key={key} eventKey={key} title={<TabTitleText>{t(`node.tabs.${key}`)}</TabTitleText>} tabContentId="node-tab" />
          ))}
        </Tabs>
      </PageSection>
      <PageSection isFilled id="node-tab" role="tabpanel" aria-label={t(`node.tabs.${tab}`)}>
        <Loaded query={query}>
          {(found) => (
            <>
              {tab === 'overview' && <Overview node={found} />}
              {tab === 'pods' && <PodsOfNode cluster={cluster} node={node} />}
              {tab === 'monitoring' && <NodeMonitoring cluster={cluster} node={node} />}
              {tab === 'events' && <EventsOfNode cluster={cluster} node={node} />}
              {tab === 'metadata' && <Metadata cluster={cluster} node={found} rights={rights.data} />}
            </>
          )}
        </Loaded>
      </PageSection>
    </>
  );
}

function Metadata({ cluster, node, rights }: { cluster: string; node: Schemas['NodeDetail']; rights: Schemas['Rights'] | undefined }) {
  const { t } = useTranslation();
  const [editing, setEditing] = useState(false);
  const mayEdit = node.role === 'edge' && (rights?.patchNodes || rights?.retireNodes);
  return (
    <>
      {mayEdit && (
        <Button variant="secondary" onClick={() => setEditing(true)}>
          {t('node.edit')}
        </Button>
      )}
      <div className="ew-gap">
        <Facts
          rows={[
            [t('node.labels'), <Pairs key="l" pairs={node.labels} name={t('node.labels')} />],
            [t('node.annotations'), <Pairs key="a" pairs={node.annotations} name={t('node.annotations')} />],
            [t('node.taints'), node.taints.map(taintText).join(', ')],
          ]}
        />
      </div>
      {editing && <EditMetadata cluster={cluster} node={node} close={() => setEditing(false)} />}
    </>
  );
}

function Actions({ cluster, node, rights }: { cluster: string; node: Schemas['NodeDetail']; rights: Schemas['Rights'] | undefined }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [leaving, setLeaving] = useState(false);
  const cordon = useMutation({
    mutationFn: () =>
      data(
        api.PATCH('/api/v1/clusters/{cluster}/nodes/{node}/scheduling', {
          params: { path: { cluster, node: node.name } },
          body: { schedulable: !node.schedulable },
        }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: nodeQuery(cluster, node.name).queryKey }),
  });
  const mayCordon = rights?.patchNodes || rights?.retireNodes;
  const mayLeave = node.role === 'edge' && (rights?.retireNodes || rights?.deleteNodes);
  return (
    <>
      <InlineError error={cordon.error} />
      {mayCordon && (
        <Button variant="secondary" isLoading={cordon.isPending} onClick={() => cordon.mutate()}>
          {node.schedulable ? t('node.cordon') : t('node.uncordon')}
        </Button>
      )}
      {mayLeave && (
        <Button variant="danger" onClick={() => setLeaving(true)}>
          {t('leave.action')}
        </Button>
      )}
      {leaving && <Leave cluster={cluster} node={node.name} close={() => setLeaving(false)} />}
    </>
  );
}

function Overview({ node }: { node: Schemas['NodeDetail'] }) {
  const { t, i18n } = useTranslation();
  const lang = i18n.language;
  return (
    <Grid hasGutter>
      <GridItem lg={6}>
        <Card isFullHeight>
          <CardTitle component="h2">{t('node.details')}</CardTitle>
          <CardBody>
            <Facts
              rows={[
                [t('node.address'), node.address],
                [t('node.tunnel'), <Tunnel key="t" node={node} />],
                [t('node.role'), t(`nodes.roles.${node.role}`)],
                [t('node.arch'), node.arch],
                [t('node.version'), node.version],
                [t('node.os'), node.osImage],
                [t('node.kernel'), node.kernel],
                [t('node.runtime'), node.containerRuntime],
                [t('node.heartbeat'), <Age key="h" at={node.heartbeat} ago />],
                [t('node.created'), <Age key="c" at={node.created} />],
              ]}
            />
          </CardBody>
        </Card>
      </GridItem>
      <GridItem lg={6}>
        <Card isFullHeight>
          <CardTitle component="h2">{t('node.capacity')}</CardTitle>
          <CardBody>
            <Facts
              rows={[
                [t('metrics.cpuUsed'), <Cpu key="cpu" usage={node.usage} of={node.allocatable.cpuNanoCores} />],
                [t('metrics.memoryUsed'), <Memory key="mem" usage={node.usage} of={node.allocatable.memoryBytes} />],
                [t('metrics.cpuAllocatable'), t('metrics.cores', { value: cores(node.allocatable.cpuNanoCores, lang) })],
                [t('metrics.memoryAllocatable'), bytes(node.allocatable.memoryBytes, lang)],
                [t('nodes.columns.pods'), node.pods && t('nodes.podCount', { running: node.pods.running, total: node.pods.total })],
              ]}
            />
          </CardBody>
        </Card>
      </GridItem>
      {node.allocated && (
        <GridItem>
          <Card>
            <CardTitle component="h2">{t('node.allocated')}</CardTitle>
            <CardBody>
              <Allocated rows={node.allocated} />
            </CardBody>
          </Card>
        </GridItem>
      )}
      <GridItem>
        <Card>
          <CardTitle component="h2">{t('conditions.title')}</CardTitle>
          <CardBody>
            <Conditions conditions={node.conditions} />
          </CardBody>
        </Card>
      </GridItem>
    </Grid>
  );
}

function PodsOfNode({ cluster, node }: { cluster: string; node: string }) {
  const pods = useQuery(podsQuery(cluster, { node }));
  return <Loaded query={pods}>{(list) => <PodTable cluster={cluster} pods={list} />}</Loaded>;
}

function EventsOfNode({ cluster, node }: { cluster: string; node: string }) {
  const events = useQuery(nodeEventsQuery(cluster, node));
  return <Loaded query={events}>{(list) => <Events events={list} />}</Loaded>;
}
