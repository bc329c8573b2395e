import type { Crumb } from '../../components/page';
import { urlPath } from '../../lib/paths';

/** Breadcrumb of a page below a pod's. */
export function podCrumbs(t: (key: string) => string, where: { cluster: string; namespace: string; pod: string }, last: string): Crumb[] {
  return [
    { label: t('nav.clusters'), to: '/clusters' },
    { label: where.cluster, to: urlPath`/clusters/${where.cluster}/nodes` },
    { label: t('pods.title'), to: urlPath`/clusters/${where.cluster}/pods` },
    { label: where.pod, to: urlPath`/clusters/${where.cluster}/pods/${where.namespace}/${where.pod}` },
    { label: last },
  ];
}
