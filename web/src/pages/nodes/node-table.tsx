import { Table, Td, Th, Thead, Tr, type ThProps } from '@patternfly/react-table';
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { Schemas } from '../../api/client';
import { Age, taintText } from '../../components/detail';
import type { useSort } from '../../components/list-state';
import { LongBody, longTable, placed, type RowPlace } from '../../components/long-table';
import { NodeState, Tunnel } from '../../components/status';
import { Cpu, Memory } from '../../components/usage';
import { bytes, cores } from '../../lib/format';
import { urlPath } from '../../lib/paths';

type Node = Schemas['Node'];

interface NodeTableProps {
  cluster: string;
  nodes: Node[];
  sort: ReturnType<typeof useSort>;
  /** Why no row has pod counts. */
  podsCause?: string;
}

export function NodeTable({ cluster, nodes, sort, podsCause }: NodeTableProps) {
  const { t } = useTranslation();
  const grouped = nodes.some((n) => n.group);
  const columns = ['name', 'state', 'tunnel', 'version', 'cpu', 'memory', 'pods', ...(grouped ? ['group'] : []), 'heartbeat'];
  const sortOf = (column: string): ThProps['sort'] => ({
    columnIndex: columns.indexOf(column),
    sortBy: { index: columns.indexOf(sort.column), direction: sort.descending ? 'desc' : 'asc' },
    onSort: () => sort.toggle(column),
  });
  return (
    <Table aria-label={t('nodes.title')} variant="compact" isStickyHeader {...longTable(nodes.length)}>
      <Thead>
        <Tr>
          {columns.map((c) => (
            <Th key={c} sort={sortOf(c)}>
              {t(`nodes.columns.${c}`)}
            </Th>
          ))}
          <Th>{t('nodes.columns.taints')}</Th>
        </Tr>
      </Thead>
      <LongBody
        items={nodes}
        keyOf={(n) => n.name}
        columns={columns.length + 1}
        row={(n, place) => <Row key={n.name} cluster={cluster} node={n} grouped={grouped} podsCause={podsCause} {...place} />}
      />
    </Table>
  );
}

interface NodeRowProps extends RowPlace {
  cluster: string;
  node: Node;
  grouped: boolean;
  podsCause?: string;
}

const Row = memo(function Row({ cluster, node: n, grouped, podsCause, ...place }: NodeRowProps) {
  const { t, i18n } = useTranslation();
  const requested = n.pods?.requested;
  return (
    <Tr {...placed(place)}>
      <Td dataLabel={t('nodes.columns.name')}>
        <Link to={urlPath`/clusters/${cluster}/nodes/${n.name}`}>{n.name}</Link>
        <div className="ew-muted">
          {n.address ?? t('nodes.noAddress')} · {n.arch} · {t(`nodes.roles.${n.role}`)}
        </div>
      </Td>
      <Td dataLabel={t('nodes.columns.state')}>
        <NodeState node={n} />
      </Td>
      <Td dataLabel={t('nodes.columns.tunnel')}>
        <Tunnel node={n} />
      </Td>
      <Td dataLabel={t('nodes.columns.version')}>{n.version}</Td>
      <Td dataLabel={t('nodes.columns.cpu')}>
        <Cpu usage={n.usage} of={n.allocatable.cpuNanoCores} />
        {requested && <div className="ew-muted">{t('nodes.requested', { amount: t('metrics.cores', { value: cores(requested.cpuNanoCores, i18n.language) }) })}</div>}
      </Td>
      <Td dataLabel={t('nodes.columns.memory')}>
        <Memory usage={n.usage} of={n.allocatable.memoryBytes} />
        {requested && <div className="ew-muted">{t('nodes.requested', { amount: bytes(requested.memoryBytes, i18n.language) })}</div>}
      </Td>
      <Td dataLabel={t('nodes.columns.pods')}>
        {n.pods ? (
          t('nodes.podCount', { running: n.pods.running, total: n.pods.total })
        ) : (
          <span className="ew-muted" title={podsCause}>
            {t('metrics.unavailable')}
          </span>
        )}
      </Td>
      {grouped && <Td dataLabel={t('nodes.columns.group')}>{n.group ?? '—'}</Td>}
      <Td dataLabel={t('nodes.columns.heartbeat')}>
        <Age at={n.heartbeat} ago />
      </Td>
      <Td dataLabel={t('nodes.columns.taints')}>{n.taints.length === 0 ? '—' : n.taints.map(taintText).join(', ')}</Td>
    </Tr>
  );
});
