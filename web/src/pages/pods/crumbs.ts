import type { Crumb } from '../../components/page';

/** Breadcrumb of a page below a pod's. */
export function podCrumbs(t: (key: string) => string, where: { cluster: string; namespace: string; pod: string }, last: string): Crumb[] {
  const cluster = `/clusters/${where.cluster}`;
  return [
    { label: t('nav.clusters'), to: '/clusters' },
    { label: where.cluster, to: `${cluster}/nodes` },
    { label: t('pods.title'), to: `${cluster}/pods` },
    { label: where.pod, to: `${cluster}/pods/${where.namespace}/${where.pod}` },
    { label: last },
  ];
}
