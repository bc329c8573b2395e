import { Alert, Button, Label, PageSection } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router';
import { podQuery, sessionQuery } from '../../api/queries';
import { useParam } from '../../components/list-state';
import { PageHead } from '../../components/page';
import { ErrorState } from '../../components/states';
import { podCrumbs } from './crumbs';
import type { LogBuffer, Source } from './log-buffer';
import { LogControls, type Controls } from './log-controls';
import { useLogSearch } from './log-search';
import { logPath, logQuery, several, useLog, type LogChoice } from './log-stream';
import { Viewer } from './log-viewer';
import { explain } from '../../lib/errors';

/** Value of the parameter that stands for all containers. */
const allContainers = '*';

export function Logs() {
  const { t } = useTranslation();
  const { cluster = '', namespace = '', pod = '' } = useParams();
  const details = useQuery(podQuery(cluster, namespace, pod));
  const controls = useControls();
  const [generation, setGeneration] = useState(0);
  const first = details.data?.containers.find((c) => c.kind === 'container')?.name ?? '';
  const container = controls.container || (controls.workload ? allContainers : first);
  const choice: LogChoice = {
    cluster, namespace, workload: controls.workload,
    pod: container ? pod : '', // not before it is known which container
    container: container === allContainers ? '' : container,
    tail: Number(controls.tail), since: Number(controls.since), previous: controls.previous, follow: controls.follow,
  };
  const { buffer, version } = useLog(choice, generation);
  const search = useLogSearch(buffer, version, { text: controls.search, regex: controls.regex, matchCase: controls.matchCase });
  useSessionCheck(buffer.status);
  return (
    <>
      <PageHead
        crumbs={podCrumbs(t, { cluster, namespace, pod }, t('logs.title'))}
        title={controls.workload ? t('logs.of', { container: controls.workload }) : t('logs.of', { container: choice.container || pod })}
        status={<Status buffer={buffer} />}
        description={`${namespace}/${pod}`}
      />
      <PageSection isFilled>
        {details.error && !details.data && !controls.container ? (
          <ErrorState error={details.error} retry={() => void details.refetch()} />
        ) : (
          <>
            <LogControls pod={details.data} container={container} all={allContainers} controls={controls} download={downloadOf(choice, controls.stamps)} />
            <Notices buffer={buffer} again={() => setGeneration(generation + 1)} />
            <Viewer
              key={`${JSON.stringify(choice)}-${generation}`}
              buffer={buffer}
              search={search}
              only={controls.only && search.state !== 'off'}
              stamps={controls.stamps}
              wrap={controls.wrap}
              names={several(choice)}
            />
          </>
        )}
      </PageSection>
    </>
  );
}

/** The page's choices; all of them are in the URL. */
function useControls(): Controls {
  const [container, setContainer] = useParam('container');
  const [workload, setWorkload] = useParam('workload');
  const [tail, setTail] = useParam('tail', '500');
  const [since, setSince] = useParam('since', '0');
  const [previous, setPrevious] = useFlag('previous');
  const [follow, setFollow] = useFlag('follow', true);
  const [stamps, setStamps] = useFlag('timestamps');
  const [wrap, setWrap] = useFlag('wrap');
  const [search, setSearch] = useParam('search');
  const [regex, setRegex] = useFlag('regex');
  const [matchCase, setMatchCase] = useFlag('case');
  const [only, setOnly] = useFlag('only');
  return {
    container, setContainer, workload, setWorkload, tail, setTail, since, setSince, previous, setPrevious, follow, setFollow, stamps, setStamps,
    wrap, setWrap, search, setSearch, regex, setRegex, matchCase, setMatchCase, only, setOnly,
  };
}

function useFlag(name: string, fallback = false): [boolean, (on: boolean) => void] {
  const [value, set] = useParam(name, fallback ? 'yes' : '');
  return [value === 'yes', (on) => set(on ? 'yes' : fallback ? 'no' : '')];
}

function downloadOf(choice: LogChoice, stamps: boolean): string | undefined {
  if (!choice.pod && !choice.workload) return undefined; // not yet known which
  const whole = { ...choice, tail: -1, since: 0, follow: false };
  // All containers of a pod come merged, as those of a workload do.
  if (several(whole) && !whole.workload) whole.workload = `Pod/${whole.pod}`;
  const query = logQuery(whole);
  if (stamps) query.set('timestamps', 'true');
  return `${logPath(whole)}?${query.toString()}`;
}

/** A connection that is refused may mean that the session is over. */
function useSessionCheck(status: LogBuffer['status']): void {
  const client = useQueryClient();
  const lost = status === 'reconnecting' || status === 'closed';
  useEffect(() => {
    if (lost) void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
  }, [client, lost]);
}

function Status({ buffer }: { buffer: LogBuffer }) {
  const { t } = useTranslation();
  const { status } = buffer;
  const color = ({ connecting: 'info', live: 'success', interrupted: 'warning', waiting: 'info', reconnecting: 'warning', ended: undefined, closed: 'danger' } as const)[status];
  return (
    <Label status={color} isCompact aria-live="polite" data-status={status}>
      {t(`logs.status.${status}`)}
    </Label>
  );
}

const tellAtMost = 3;

/** Why nothing comes, for each log that this is true of. */
function Notices({ buffer, again }: { buffer: LogBuffer; again: () => void }) {
  const { t } = useTranslation();
  const reconnect = (
    <Button variant="link" isInline onClick={again}>
      {t('logs.again')}
    </Button>
  );
  if (buffer.connection === 'closed') {
    const why = explain(buffer.refusal ?? {});
    return (
      <Alert component="p" variant="danger" isInline title={why.message || t('logs.closed')} actionLinks={reconnect} role="status">
        {why.remedy && t('states.remedy', { remedy: why.remedy })}
      </Alert>
    );
  }
  const told = buffer.sources.filter(worthTelling);
  return (
    <div className="ew-gap" role="status">
      {buffer.connection === 'reconnecting' && <Alert component="p" variant="warning" isInline title={t('logs.reconnecting')} />}
      {buffer.left > 0 && <Alert component="p" variant="info" isInline title={t('logs.left', { count: buffer.left })} />}
      {told.slice(0, tellAtMost).map((s) => (
        <Alert
          key={`${s.pod}/${s.container}`}
          component="p"
          variant={variantOf(s)}
          isInline
          title={(s.pod ? `${s.pod}/${s.container}: ` : '') + t(`logs.causes.${s.status === 'waiting' ? 'Waiting' : (s.cause ?? 'Complete')}`)}
          actionLinks={s.status === 'ended' && buffer.status === 'ended' ? reconnect : undefined}
        >
          {s.message}
        </Alert>
      ))}
      {told.length > tellAtMost && <p>{t('logs.moreNotices', { count: told.length - tellAtMost })}</p>}
    </div>
  );
}

function worthTelling(s: Source, _: number, all: Source[]): boolean {
  if (s.status === 'interrupted' || s.status === 'waiting') return true;
  // That init containers have ended is no news.
  return s.status === 'ended' && s.cause !== 'Complete' && (all.length === 1 || s.cause !== 'ContainerEnded');
}

function variantOf(s: Source): 'warning' | 'info' | 'danger' {
  if (s.status === 'interrupted') return 'warning';
  return s.status === 'waiting' || s.cause === 'ContainerEnded' ? 'info' : 'danger';
}
