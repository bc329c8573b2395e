import { Alert } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { Schemas } from '../../api/client';
import { trendsQuery } from '../../api/metrics';
import { Range, useRange } from '../../components/charts/monitoring';
import { Sparkline } from '../../components/charts/sparkline';
import { Loaded } from '../../components/states';
import { NodeState } from '../../components/status';
import { Cpu, Memory } from '../../components/usage';
import { urlPath } from '../../lib/paths';

type Trend = Schemas['NodeTrend'];

const rowHeight = 64;

/** All nodes with their recent past in small charts; only what is visible is drawn. */
export function Trends({ cluster, nodes }: { cluster: string; nodes: Schemas['Node'][] }) {
  const { t } = useTranslation();
  const [range] = useRange();
  const query = useQuery(trendsQuery(cluster, Math.min(range, 3600)));
  return (
    <div className="ew-gap">
      <Range prometheus={false} />
      <Loaded query={query}>
        {(list) => (
          <>
            {list.message && <Alert component="p" variant="warning" isInline title={t('monitoring.trendsStale')}>{list.message}</Alert>}
            <Rows cluster={cluster} nodes={nodes} trends={list.items} />
          </>
        )}
      </Loaded>
    </div>
  );
}

function Rows({ cluster, nodes, trends }: { cluster: string; nodes: Schemas['Node'][]; trends: Trend[] }) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const byName = useMemo(() => new Map(trends.map((x) => [x.metadata.name, x])), [trends]);
  const rows = useVirtualizer({ count: nodes.length, getScrollElement: () => box.current, estimateSize: () => rowHeight, overscan: 8 });
  return (
    <>
      <div className="ew-trend-row ew-muted" aria-hidden="true">
        <span>{t('nodes.columns.name')}</span>
        <span className="ew-trend-two">{t('metrics.cpu')}</span>
        <span className="ew-trend-two">{t('metrics.memory')}</span>
      </div>
      <div ref={box} className="ew-trends" tabIndex={0} role="region" aria-label={t('monitoring.trends')}>
      <ul style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((item) => {
          const node = nodes[item.index];
          if (!node) return null;
          return (
            <li key={node.name} className="ew-trend-row" aria-setsize={nodes.length} aria-posinset={item.index + 1} style={{ height: rowHeight, transform: `translateY(${item.start}px)` }}>
              <Row cluster={cluster} node={node} trend={byName.get(node.name)} />
            </li>
          );
        })}
      </ul>
      </div>
    </>
  );
}

function Row({ cluster, node, trend }: { cluster: string; node: Schemas['Node']; trend: Trend | undefined }) {
  return (
    <>
      <span className="ew-trend-name">
        <Link to={urlPath`/clusters/${cluster}/nodes/${node.name}?tab=monitoring`}>{node.name}</Link>
        <NodeState node={node} />
      </span>
      <Sparkline values={trend?.cpuNanoCores ?? []} top={node.allocatable.cpuNanoCores} />
      <Cpu usage={node.usage} of={node.allocatable.cpuNanoCores} />
      <Sparkline values={trend?.memoryBytes ?? []} top={node.allocatable.memoryBytes} />
      <Memory usage={node.usage} of={node.allocatable.memoryBytes} />
    </>
  );
}
