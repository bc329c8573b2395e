import { useQuery } from '@tanstack/react-query';
import { nodeSamplesQuery } from '../../api/metrics';
import { Monitoring, useRange } from '../../components/charts/monitoring';
import { Loaded } from '../../components/states';

/** What a node uses, now and in the past. */
export function NodeMonitoring({ cluster, node }: { cluster: string; node: string }) {
  const [range] = useRange();
  const query = useQuery(nodeSamplesQuery(cluster, node, range));
  return (
    <Loaded query={query}>
      {(s) => <Monitoring objects={[{ key: 'node', label: node, object: s.node }]} state={s.state} prometheus={s.prometheus} />}
    </Loaded>
  );
}
