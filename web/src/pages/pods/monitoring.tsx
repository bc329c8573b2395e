import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { podSamplesQuery } from '../../api/metrics';
import { Monitoring, useRange } from '../../components/charts/monitoring';
import { Loaded } from '../../components/states';

/** What a pod and each of its containers use, now and in the past. */
export function PodMonitoring({ cluster, namespace, pod }: { cluster: string; namespace: string; pod: string }) {
  const { t } = useTranslation();
  const [range] = useRange();
  const query = useQuery(podSamplesQuery(cluster, namespace, pod, range));
  return (
    <Loaded query={query}>
      {(s) => (
        <Monitoring
          objects={[
            ...s.containers.map((c) => ({ key: `c/${c.name}`, label: t('monitoring.container', { name: c.name }), object: c })),
            { key: 'pod', label: t('monitoring.wholePod'), object: s.pod },
          ]}
          state={s.state}
          prometheus={s.prometheus}
        />
      )}
    </Loaded>
  );
}
