import { Badge, FormSelect, FormSelectOption, PageSection, Toolbar, ToolbarContent, ToolbarItem } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useParams } from 'react-router';
import type { Schemas } from '../../api/client';
import { nodesQuery, podsQuery } from '../../api/queries';
import { Age, Restarts } from '../../components/detail';
import { compare, useParam, useSort } from '../../components/list-state';
import { PageHead } from '../../components/page';
import { Empty, Loaded, NoMatch } from '../../components/states';
import { PodStatus } from '../../components/status';
import { Cpu, Memory } from '../../components/usage';
import { Search } from '../nodes/nodes';
import { urlPath } from '../../lib/paths';

type Pod = Schemas['PodRow'];

export function Pods() {
  const { t } = useTranslation();
  const { cluster = '' } = useParams();
  const [where, setWhere] = useParam('where', 'edge');
  const [namespace, setNamespace] = useParam('namespace');
  const pods = useQuery(podsQuery(cluster, namespace ? { namespace } : {}));
  const edge = useQuery(nodesQuery(cluster, 'edge'));
  const edgeNames = useMemo(() => new Set(edge.data?.nodes.map((n) => n.name)), [edge.data]);
  // Who may not list nodes sees all pods instead of none.
  const onlyEdge = where === 'edge' && edge.data !== undefined;
  const list = useMemo(() => (pods.data ?? []).filter((p) => !onlyEdge || edgeNames.has(p.node ?? '')), [pods.data, onlyEdge, edgeNames]);
  return (
    <>
      <PageHead
        crumbs={[{ label: t('nav.clusters'), to: '/clusters' }, { label: cluster, to: urlPath`/clusters/${cluster}/nodes` }, { label: t('pods.title') }]}
        title={t('pods.title')}
        status={<Badge isRead>{list.length}</Badge>}
        description={t('pods.description')}
      />
      <PageSection isFilled>
        <Toolbar>
          <ToolbarContent>
            <ToolbarItem>
              <FormSelect value={where} onChange={(_, v) => setWhere(v)} aria-label={t('pods.where')}>
                <FormSelectOption value="edge" label={t('pods.onEdge')} />
                <FormSelectOption value="all" label={t('pods.everywhere')} />
              </FormSelect>
            </ToolbarItem>
            <ToolbarItem>
              <Search value={namespace} onChange={setNamespace} label={t('pods.namespace')} />
            </ToolbarItem>
          </ToolbarContent>
        </Toolbar>
        <Loaded query={pods}>{() => <PodTable cluster={cluster} pods={list} />}</Loaded>
      </PageSection>
    </>
  );
}

const columns = ['name', 'status', 'node', 'restarts', 'cpu', 'memory', 'age'] as const;
type Column = (typeof columns)[number];

const values: Record<Column, (p: Pod) => string | number | undefined> = {
  name: (p) => `${p.namespace}/${p.name}`,
  status: (p) => p.status,
  node: (p) => p.node,
  restarts: (p) => p.restarts,
  cpu: (p) => p.usage.cpuNanoCores,
  memory: (p) => p.usage.memoryBytes,
  age: (p) => -Date.parse(p.created),
};

/** Pods with search and sorting. */
export function PodTable({ cluster, pods }: { cluster: string; pods: Pod[] }) {
  const { t } = useTranslation();
  const [search, setSearch] = useParam('search');
  const sort = useSort('name');
  const shown = useMemo(() => {
    const words = search.toLowerCase();
    const value = values[sort.column as Column] ?? values.name;
    return pods.filter((p) => `${p.namespace}/${p.name}`.toLowerCase().includes(words)).sort((a, b) => compare(value(a), value(b), sort.descending));
  }, [pods, search, sort.column, sort.descending]);
  if (pods.length === 0) return <Empty title={t('pods.none')} body={t('pods.noneBody')} />;
  return (
    <>
      <Search value={search} onChange={setSearch} label={t('pods.search')} />
      {shown.length === 0 ? (
        <NoMatch clear={() => setSearch('')} />
      ) : (
        <Table aria-label={t('pods.title')} variant="compact" isStickyHeader>
          <Thead>
            <Tr>
              {columns.map((c, i) => (
                <Th
                  key={c}
                  sort={{
                    columnIndex: i,
                    sortBy: { index: columns.indexOf(sort.column as Column), direction: sort.descending ? 'desc' : 'asc' },
                    onSort: () => sort.toggle(c),
                  }}
                >
                  {t(`pods.columns.${c}`)}
                </Th>
              ))}
            </Tr>
          </Thead>
          <Tbody>
            {shown.map((p) => (
              <Tr key={`${p.namespace}/${p.name}`}>
                <Td dataLabel={t('pods.columns.name')}>
                  <Link to={urlPath`/clusters/${cluster}/pods/${p.namespace}/${p.name}`}>{p.name}</Link>
                  <div className="ew-muted">{p.namespace}</div>
                </Td>
                <Td dataLabel={t('pods.columns.status')}>
                  <PodStatus status={p.status} /> {p.ready}/{p.total}
                </Td>
                <Td dataLabel={t('pods.columns.node')}>{p.node ? <Link to={urlPath`/clusters/${cluster}/nodes/${p.node}`}>{p.node}</Link> : '—'}</Td>
                <Td dataLabel={t('pods.columns.restarts')}>
                  <Restarts pod={p} />
                </Td>
                <Td dataLabel={t('pods.columns.cpu')}>
                  <Cpu usage={p.usage} />
                </Td>
                <Td dataLabel={t('pods.columns.memory')}>
                  <Memory usage={p.usage} />
                </Td>
                <Td dataLabel={t('pods.columns.age')}>
                  <Age at={p.created} />
                </Td>
              </Tr>
            ))}
          </Tbody>
        </Table>
      )}
    </>
  );
}
