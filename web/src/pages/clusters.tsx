import { Label, PageSection, Tooltip } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '../components/table';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { Schemas } from '../api/client';
import { clustersQuery } from '../api/queries';
import { PageHead } from '../components/page';
import { Empty, Loaded } from '../components/states';
import { KubeEdgeState } from '../components/status';
import { explain } from '../lib/errors';
import { urlPath } from '../lib/paths';

export function Clusters() {
  const { t } = useTranslation();
  const clusters = useQuery(clustersQuery);
  return (
    <>
      <PageHead title={t('clusters.title')} description={t('clusters.description')} />
      <PageSection isFilled>
        <Loaded query={clusters}>
          {(list) => (list.length === 0 ? <Empty title={t('clusters.none')} body={t('clusters.noneBody')} /> : <ClusterTable clusters={list} />)}
        </Loaded>
      </PageSection>
    </>
  );
}

function ClusterTable({ clusters }: { clusters: Schemas['ClusterOverview'][] }) {
  const { t } = useTranslation();
  return (
    <Table aria-label={t('clusters.title')}>
      <Thead>
        <Tr>
          <Th>{t('clusters.name')}</Th>
          <Th>{t('clusters.state')}</Th>
          <Th>{t('clusters.version')}</Th>
          <Th>KubeEdge</Th>
          <Th>{t('clusters.cloudNodes')}</Th>
          <Th>{t('clusters.edgeNodes')}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {clusters.map((c) => (
          <Tr key={c.name}>
            <Td dataLabel={t('clusters.name')}>
              <Link to={urlPath`/clusters/${c.name}/nodes`}>{c.name}</Link>
              <div className="ew-muted ew-mono">{c.server}</div>
              {c.source !== 'Context' && <div className="ew-muted">{t(`clusters.sources.${c.source}`)}</div>}
            </Td>
            <Td dataLabel={t('clusters.state')}>
              <Reachable cluster={c} />
            </Td>
            <Td dataLabel={t('clusters.version')}>{c.version ?? '—'}</Td>
            <Td dataLabel="KubeEdge">
              <Link to={urlPath`/clusters/${c.name}/kubeedge`} aria-label={t('clusters.kubeedgeOf', { name: c.name })}>
                <KubeEdgeState state={c.kubeEdge} />
              </Link>
            </Td>
            <Td dataLabel={t('clusters.cloudNodes')}>{c.cloudNodes ?? (c.reachable ? t('clusters.hidden') : '—')}</Td>
            <Td dataLabel={t('clusters.edgeNodes')}>
              {c.edgeNodes === undefined
                ? c.reachable
                  ? t('clusters.hidden')
                  : '—'
                : t('clusters.ready', { ready: c.edgeReady, total: c.edgeNodes })}
            </Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

function Reachable({ cluster }: { cluster: Schemas['ClusterOverview'] }) {
  const { t } = useTranslation();
  if (cluster.reachable) {
    return (
      <Label status="success" isCompact>
        {t('clusters.reachable')}
      </Label>
    );
  }
  if (cluster.pending) return <Label isCompact>{t('clusters.pending')}</Label>;
  return (
    <Tooltip content={Object.values(explain(cluster.cause ?? {})).filter(Boolean).join(' — ')}>
      <Label status="danger" isCompact tabIndex={0}>
        {cluster.cause?.code === 'KubeconfigRefused' ? t('clusters.refused') : t('clusters.unreachable')}
      </Label>
    </Tooltip>
  );
}
