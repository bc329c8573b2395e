import { Alert, Button, FormSelect, FormSelectOption, Label, PageSection, Switch, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router';
import { podQuery } from '../../api/queries';
import { useParam } from '../../components/list-state';
import { PageHead } from '../../components/page';
import { Search } from '../nodes/nodes';
import { highlight, type LogLine, type LogState } from './log-buffer';
import { logPath, logQuery, useLog, type LogChoice } from './log-stream';

const tails = [100, 500, 1000, 5000, 20000, -1];
const sinces = [0, 60, 300, 900, 3600, 21600, 86400];

export function Logs() {
  const { t } = useTranslation();
  const { cluster = '', namespace = '', pod = '' } = useParams();
  const details = useQuery(podQuery(cluster, namespace, pod));
  const [chosen, setContainer] = useParam('container');
  const container = chosen || details.data?.containers.find((c) => c.kind === 'container')?.name || '';
  const [tail, setTail] = useParam('tail', '500');
  const [since, setSince] = useParam('since', '0');
  const [previous, setPrevious] = useParam('previous');
  const [follow, setFollow] = useParam('follow', 'yes');
  const [stamps, setStamps] = useParam('timestamps');
  const [wrap, setWrap] = useParam('wrap');
  const [search, setSearch] = useParam('search');
  const [only, setOnly] = useParam('only');
  const [generation, setGeneration] = useState(0);
  const choice: LogChoice = {
    cluster, namespace, pod, container,
    tail: Number(tail), since: Number(since), previous: previous === 'yes', follow: follow === 'yes',
  };
  const log = useLog(choice, generation);
  const yes = (on: boolean) => (on ? 'yes' : '');
  const downloadQuery = `${logQuery({ ...choice, tail: -1, follow: false })}${stamps === 'yes' ? '&timestamps=true' : ''}`;
  return (
    <>
      <PageHead
        crumbs={[
          { label: t('nav.clusters'), to: '/clusters' },
          { label: cluster, to: `/clusters/${cluster}/nodes` },
          { label: t('pods.title'), to: `/clusters/${cluster}/pods` },
          { label: pod, to: `/clusters/${cluster}/pods/${namespace}/${pod}` },
          { label: t('logs.title') },
        ]}
        title={t('logs.of', { container })}
        status={<Status log={log} />}
        description={`${namespace}/${pod}`}
      />
      <PageSection isFilled>
        <Toolbar>
          <ToolbarContent>
            <ToolbarItem>
              <FormSelect value={container} onChange={(_, v) => setContainer(v)} aria-label={t('logs.container')}>
                {(details.data?.containers ?? []).map((c) => (
                  <FormSelectOption key={c.name} value={c.name} label={c.kind === 'container' ? c.name : `${c.name} (${t(`container.kinds.${c.kind}`)})`} />
                ))}
              </FormSelect>
            </ToolbarItem>
            <ToolbarItem>
              <FormSelect value={tail} onChange={(_, v) => setTail(v)} aria-label={t('logs.lines')}>
                {tails.map((n) => (
                  <FormSelectOption key={n} value={String(n)} label={n < 0 ? t('logs.allLines') : t('logs.lastLines', { count: n })} />
                ))}
              </FormSelect>
            </ToolbarItem>
            <ToolbarItem>
              <FormSelect value={since} onChange={(_, v) => setSince(v)} aria-label={t('logs.since')}>
                {sinces.map((n) => (
                  <FormSelectOption key={n} value={String(n)} label={n === 0 ? t('logs.anyTime') : t('logs.minutes', { count: n / 60 })} />
                ))}
              </FormSelect>
            </ToolbarItem>
            <ToolbarItem>
              <Search value={search} onChange={setSearch} label={t('logs.search')} />
            </ToolbarItem>
            <ToolbarGroup variant="action-group">
              <ToolbarItem alignSelf="center">
                <Switch id="log-follow" label={t('logs.follow')} isChecked={choice.follow && !choice.previous} isDisabled={choice.previous} onChange={(_, v) => setFollow(v ? 'yes' : 'no')} />
              </ToolbarItem>
              <ToolbarItem alignSelf="center">
                <Switch id="log-stamps" label={t('logs.timestamps')} isChecked={stamps === 'yes'} onChange={(_, v) => setStamps(yes(v))} />
              </ToolbarItem>
              <ToolbarItem alignSelf="center">
                <Switch id="log-wrap" label={t('logs.wrap')} isChecked={wrap === 'yes'} onChange={(_, v) => setWrap(yes(v))} />
              </ToolbarItem>
              <ToolbarItem alignSelf="center">
                <Switch id="log-previous" label={t('logs.previous')} isChecked={choice.previous} onChange={(_, v) => setPrevious(yes(v))} />
              </ToolbarItem>
              <ToolbarItem alignSelf="center">
                <Switch id="log-only" label={t('logs.onlyMatches')} isChecked={only === 'yes'} isDisabled={!search} onChange={(_, v) => setOnly(yes(v))} />
              </ToolbarItem>
            </ToolbarGroup>
            <ToolbarItem>
              <Button variant="secondary" component="a" href={`${logPath(choice)}?${downloadQuery}`} download>
                {t('logs.download')}
              </Button>
            </ToolbarItem>
          </ToolbarContent>
        </Toolbar>
        <Notice log={log} again={() => setGeneration(generation + 1)} />
        <Viewer key={`${container}-${generation}`} log={log} search={search} only={only === 'yes' && search !== ''} stamps={stamps === 'yes'} wrap={wrap === 'yes'} />
      </PageSection>
    </>
  );
}

function Status({ log }: { log: LogState }) {
  const { t } = useTranslation();
  const status = ({ connecting: 'info', live: 'success', interrupted: 'warning', ended: undefined, closed: 'danger' } as const)[log.status];
  return (
    <Label status={status} isCompact aria-live="polite">
      {t(`logs.status.${log.status}`)}
    </Label>
  );
}

/** Why nothing comes: a tunnel that is down is not the same as a container with nothing to say. */
function Notice({ log, again }: { log: LogState; again: () => void }) {
  const { t } = useTranslation();
  const reconnect = (
    <Button variant="link" isInline onClick={again}>
      {t('logs.again')}
    </Button>
  );
  if (log.status === 'interrupted') {
    return (
      <Alert component="p" variant="warning" isInline title={t(`logs.causes.${log.cause ?? 'NodeUnreachable'}`)} role="status">
        {log.message}
      </Alert>
    );
  }
  if (log.status === 'closed') return <Alert component="p" variant="danger" isInline title={t('logs.closed')} actionLinks={reconnect} role="status" />;
  if (log.status === 'ended' && log.cause !== 'Complete') {
    return (
      <Alert component="p" variant={log.cause === 'ContainerEnded' ? 'info' : 'danger'} isInline title={t(`logs.causes.${log.cause ?? 'Complete'}`)} actionLinks={reconnect} role="status">
        {log.message}
      </Alert>
    );
  }
  return null;
}

interface ViewerProps {
  log: LogState;
  search: string;
  only: boolean;
  stamps: boolean;
  wrap: boolean;
}

function Viewer({ log, search, only, stamps, wrap }: ViewerProps) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const [paused, setPaused] = useState(false);
  const [jump, setJump] = useState(0);
  const matching = useMemo(() => {
    if (!search) return [];
    const word = search.toLowerCase();
    return log.lines.flatMap((l, i) => (l.text.toLowerCase().includes(word) ? [i] : []));
  }, [log.lines, search]);
  const lines = useMemo(() => (only ? matching.flatMap((i) => log.lines[i] ?? []) : log.lines), [only, matching, log.lines]);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => 20,
    overscan: 30,
    getItemKey: (i) => lines[i]?.id ?? i,
  });
  useEffect(() => {
    if (!paused && lines.length > 0) rows.scrollToIndex(lines.length - 1, { align: 'end' });
    // The virtualizer is the same object at every render.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [lines, paused, wrap]);
  const onScroll = () => {
    const el = box.current;
    if (el) setPaused(el.scrollHeight - el.scrollTop - el.clientHeight > 40);
  };
  const goTo = (step: number) => {
    const next = (jump + step + matching.length) % matching.length;
    setJump(next);
    const at = only ? next : matching[next];
    if (at !== undefined) {
      setPaused(true);
      rows.scrollToIndex(at, { align: 'center' });
    }
  };
  return (
    <>
      <Toolbar isStatic>
        <ToolbarContent>
          {search && (
            <>
              <ToolbarItem alignSelf="center">{t('logs.matches', { count: matching.length })}</ToolbarItem>
              <ToolbarItem>
                <Button variant="secondary" size="sm" isDisabled={matching.length === 0} onClick={() => goTo(-1)}>
                  {t('logs.previousMatch')}
                </Button>
              </ToolbarItem>
              <ToolbarItem>
                <Button variant="secondary" size="sm" isDisabled={matching.length === 0} onClick={() => goTo(1)}>
                  {t('logs.nextMatch')}
                </Button>
              </ToolbarItem>
            </>
          )}
          <ToolbarItem alignSelf="center" align={{ default: 'alignEnd' }}>
            {t('logs.count', { count: log.lines.length })}
            {log.dropped > 0 && ` · ${t('logs.dropped', { count: log.dropped })}`}
          </ToolbarItem>
          {paused && (
            <ToolbarItem>
              <Button variant="primary" size="sm" onClick={() => setPaused(false)}>
                {t('logs.paused')}
              </Button>
            </ToolbarItem>
          )}
        </ToolbarContent>
      </Toolbar>
      <div ref={box} className={wrap ? 'ew-log wrap' : 'ew-log'} tabIndex={0} role="log" aria-live="off" aria-label={t('logs.title')} onScroll={onScroll}>
        {lines.length === 0 && log.status !== 'connecting' && <p>{only ? t('states.noMatch') : t('logs.empty')}</p>}
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map((item) => {
            const line = lines[item.index];
            return (
              line && (
                <div key={item.key} ref={rows.measureElement} data-index={item.index} className="ew-log-row" style={{ position: 'absolute', top: 0, minWidth: '100%', maxWidth: wrap ? '100%' : undefined, transform: `translateY(${item.start}px)` }}>
                  <Line line={line} search={search} stamps={stamps} />
                </div>
              )
            );
          })}
        </div>
      </div>
    </>
  );
}

/** A line enters the page as text nodes, whatever is in it. */
function Line({ line, search, stamps }: { line: LogLine; search: string; stamps: boolean }) {
  return (
    <span className={line.notice ? 'ew-log-notice' : undefined}>
      {stamps && line.time && <span className="ew-log-time">{line.time} </span>}
      {highlight(line.text, search).map((part, i) => (part.hit ? <mark key={i}>{part.text}</mark> : part.text))}
      {line.text === '' && '\u200b'}
    </span>
  );
}

