import { Alert, Badge, PageSection, SearchInput, ToggleGroup, ToggleGroupItem, Toolbar, ToolbarContent, ToolbarItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router';
import type { Schemas } from '../../api/client';
import { clustersQuery, enrollmentsQuery, kubeEdgeQuery, nodesQuery, rightsQuery } from '../../api/queries';
import { compare, useParam, useSort } from '../../components/list-state';
import { PageHead } from '../../components/page';
import { LinkButton } from '../../components/shell';
import { Empty, Loaded, NoMatch } from '../../components/states';
import { Arrivals } from './arrivals';
import { NodeTable } from './node-table';
import { Trends } from './trends';
import { urlPath } from '../../lib/paths';

type Node = Schemas['Node'];

const values: Record<string, (n: Node) => string | number | undefined> = {
  name: (n) => n.name,
  state: (n) => n.state,
  tunnel: (n) => n.tunnel,
  version: (n) => n.version,
  cpu: (n) => n.usage.cpuNanoCores,
  memory: (n) => n.usage.memoryBytes,
  pods: (n) => n.pods?.total,
  group: (n) => n.group,
  heartbeat: (n) => n.heartbeat,
};

export function Nodes() {
  const { t } = useTranslation();
  const { cluster = '' } = useParams();
  const [role, setRole] = useParam('role', 'edge');
  const nodes = useQuery(nodesQuery(cluster, role === 'cloud' || role === 'all' ? role : 'edge'));
  const rights = useQuery(rightsQuery(cluster));
  const enrollments = useQuery({ ...enrollmentsQuery(cluster), retry: false });
  const clusters = useQuery(clustersQuery);
  const mayJoin = rights.data?.joinNodes === true;
  return (
    <>
      <PageHead
        crumbs={[{ label: t('nav.clusters'), to: '/clusters' }, { label: cluster }]}
        title={t('nodes.title')}
        status={nodes.data && <Badge isRead screenReaderText={t('nodes.count')}>{nodes.data.nodes.length}</Badge>}
        description={t('nodes.description', { cluster: clusters.data?.find((c) => c.name === cluster)?.name ?? cluster })}
        actions={mayJoin && <LinkButton to={urlPath`/clusters/${cluster}/join`}>{t('nodes.join')}</LinkButton>}
      />
      <PageSection isFilled>
        <Arrivals cluster={cluster} enrollments={enrollments.data ?? []} mayChange={rights.data?.retireNodes === true} />
        <div className="ew-gap">
          <ToggleGroup aria-label={t('nodes.role')}>
            {(['edge', 'cloud', 'all'] as const).map((r) => (
              <ToggleGroupItem key={r} buttonId={`role-${r}`} text={t(`nodes.roles.${r}`)} isSelected={role === r} onChange={() => setRole(r)} />
            ))}
          </ToggleGroup>
          {nodes.data && <Stray sets={nodes.data.strayDaemonSets} />}
          <Loaded query={nodes}>{(list) => <NodeList cluster={cluster} list={list} mayJoin={mayJoin} role={role} />}</Loaded>
        </div>
      </PageSection>
    </>
  );
}

/** DaemonSets that would put pods onto devices where they cannot work. */
function Stray({ sets }: { sets: string[] }) {
  const { t } = useTranslation();
  if (sets.length === 0) return null;
  return (
    <Alert component="p" variant="warning" isInline isExpandable title={t('nodes.stray', { count: sets.length })}>
      <p>{t('nodes.strayWhy')}</p>
      <p className="ew-mono">{sets.join(', ')}</p>
    </Alert>
  );
}

function NodeList({ cluster, list, mayJoin, role }: { cluster: string; list: Schemas['NodeList']; mayJoin: boolean; role: string }) {
  const [search, setSearch] = useParam('search');
  const [state, setState] = useParam('state');
  const [view, setView] = useParam('view', 'list');
  const { t } = useTranslation();
  const sort = useSort('name');
  const shown = useMemo(() => {
    const words = search.toLowerCase();
    const value = values[sort.column] ?? values.name;
    return list.nodes
      .filter((n) => (n.name + ' ' + (n.address ?? '') + ' ' + n.arch).toLowerCase().includes(words))
      .filter((n) => state === '' || n.state === state)
      .sort((a, b) => compare(value?.(a), value?.(b), sort.descending) || a.name.localeCompare(b.name));
  }, [list.nodes, search, state, sort.column, sort.descending]);
  if (list.nodes.length === 0 && role === 'edge') return <NoEdgeNodes cluster={cluster} mayJoin={mayJoin} />;
  return (
    <>
      <Toolbar clearAllFilters={() => setSearch('')}>
        <ToolbarContent>
          <ToolbarItem>
            <Search value={search} onChange={setSearch} label={t('nodes.search')} />
          </ToolbarItem>
          <ToolbarItem>
            <ToggleGroup aria-label={t('nodes.state')}>
              {['', 'Ready', 'NotReady', 'Unknown', 'Joining'].map((s) => (
                <ToggleGroupItem key={s} buttonId={`state-${s || 'all'}`} text={s ? t(`node.states.${s}`) : t('nodes.allStates')} isSelected={state === s} onChange={() => setState(s)} />
              ))}
            </ToggleGroup>
          </ToolbarItem>
          <ToolbarItem>
            <ToggleGroup aria-label={t('monitoring.view')}>
              {['list', 'trends'].map((v) => (
                <ToggleGroupItem key={v} buttonId={`view-${v}`} text={t(`monitoring.views.${v}`)} isSelected={view === v} onChange={() => setView(v)} />
              ))}
            </ToggleGroup>
          </ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      {shown.length === 0 ? (
        <NoMatch
          clear={() => {
            setSearch('');
            setState('');
          }}
        />
      ) : view === 'trends' ? (
        <Trends cluster={cluster} nodes={shown} />
      ) : (
        <NodeTable cluster={cluster} nodes={shown} sort={sort} podsCause={list.podsCause} />
      )}
    </>
  );
}

function NoEdgeNodes({ cluster, mayJoin }: { cluster: string; mayJoin: boolean }) {
  const { t } = useTranslation();
  const kubeEdge = useQuery(kubeEdgeQuery(cluster));
  if (kubeEdge.data?.state === 'Absent') {
    return (
      <Empty
        title={t('nodes.none')}
        body={t('nodes.noneNotEnabled')}
        action={<LinkButton to={urlPath`/clusters/${cluster}/kubeedge`}>{t('nodes.toKubeedge')}</LinkButton>}
      />
    );
  }
  return (
    <Empty
      title={t('nodes.none')}
      body={mayJoin ? t('nodes.noneBody') : t('nodes.noneNoRight')}
      action={mayJoin && <LinkButton to={urlPath`/clusters/${cluster}/join`}>{t('nodes.join')}</LinkButton>}
    />
  );
}

/** Search field; the key "/" goes to it. */
export function Search({ value, onChange, label }: { value: string; onChange: (v: string) => void; label: string }) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      const inField = e.target instanceof HTMLElement && e.target.matches('input, textarea, select');
      if (e.key === '/' && !inField) {
        e.preventDefault();
        input.current?.focus();
      }
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
  return <SearchInput ref={input} value={value} placeholder={label} aria-label={label} onChange={(_, v) => onChange(v)} onClear={() => onChange('')} />;
}
