import { Alert, Button, Form, FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, Label, PageSection, Spinner, TextInput, Toolbar, ToolbarContent, ToolbarItem } from '@patternfly/react-core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useParams } from 'react-router';
import { podQuery, sessionQuery } from '../../api/queries';
import { useParam } from '../../components/list-state';
import { PageHead } from '../../components/page';
import { podCrumbs } from '../pods/crumbs';
import './terminal.css';
import type { End, Status } from './terminal-screen';
import { wordsOf } from './words';
import { explain } from '../../lib/errors';
import { urlPath } from '../../lib/paths';

// xterm is large, and only who opens a terminal needs it.
const TerminalScreen = lazy(() => import('./terminal-screen'));

const shells = ['auto', 'bash', 'sh', 'custom'] as const;

export function TerminalPage() {
  const { t } = useTranslation();
  const { cluster = '', namespace = '', pod = '' } = useParams();
  const client = useQueryClient();
  const details = useQuery(podQuery(cluster, namespace, pod));
  const running = (details.data?.containers ?? []).filter((c) => c.state === 'running');
  const [chosen, setContainer] = useParam('container');
  const container = chosen || running.find((c) => c.kind === 'container')?.name || '';
  const [shell, setShell] = useParam('shell', 'auto');
  const [command, setCommand] = useState<string[]>();
  const [generation, setGeneration] = useState(0);
  const [status, setStatus] = useState<Status>({ state: 'connecting' });
  const take = useCallback(
    (s: Status) => {
      setStatus(s);
      if (s.state === 'over' && s.end.code === 'SessionOver') void client.invalidateQueries({ queryKey: sessionQuery.queryKey });
    },
    [client],
  );
  const again = () => {
    setStatus({ state: 'connecting' });
    setGeneration(generation + 1);
  };
  const ready = container !== '' && (shell !== 'custom' || command !== undefined);
  const path = pathOf({ cluster, namespace, pod, container, shell, command: command ?? [] });
  return (
    <>
      <PageHead
        crumbs={podCrumbs(t, { cluster, namespace, pod }, t('terminal.title'))}
        title={t('terminal.of', { container: container || pod })}
        status={ready && <State status={status} />}
        description={`${namespace}/${pod}`}
      />
      <PageSection isFilled>
        <Toolbar isStatic>
          <ToolbarContent alignItems="center">
            <ToolbarItem>
              <FormSelect value={container} onChange={(_, v) => setContainer(v)} aria-label={t('terminal.container')}>
                {(details.data?.containers ?? []).map((c) => (
                  <FormSelectOption key={c.name} value={c.name} label={c.name} isDisabled={c.state !== 'running'} />
                ))}
              </FormSelect>
            </ToolbarItem>
            <ToolbarItem>
              <FormSelect value={shell} onChange={(_, v) => setShell(v)} aria-label={t('terminal.shell')}>
                {shells.map((s) => (
                  <FormSelectOption key={s} value={s} label={t(`terminal.shells.${s}`)} />
                ))}
              </FormSelect>
            </ToolbarItem>
          </ToolbarContent>
        </Toolbar>
        {shell === 'custom' && <Command run={(words) => { setCommand(words); again(); }} />}
        <Notice status={status} ready={ready} again={again} />
        {ready && (
          <Suspense fallback={<Spinner aria-label={t('common.loading')} />}>
            <TerminalScreen key={`${path} ${generation}`} path={path} onStatus={take} />
          </Suspense>
        )}
        <p className="ew-muted ew-terminal-hint">{t('terminal.hint')}</p>
      </PageSection>
    </>
  );
}

interface Where {
  cluster: string;
  namespace: string;
  pod: string;
  container: string;
  shell: string;
  command: string[];
}

function pathOf(w: Where): string {
  const query = new URLSearchParams({ container: w.container, shell: w.shell });
  if (w.shell === 'custom') for (const word of w.command) query.append('command', word);
  return urlPath`/api/v1/clusters/${w.cluster}/pods/${w.namespace}/${w.pod}/terminal` + `?${query.toString()}`;
}

/** A command of the user's own. It is not in the URL, since it may hold a secret. */
function Command({ run }: { run: (words: string[]) => void }) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const words = wordsOf(text);
  const wrong = words === undefined;
  return (
    <Form
      isHorizontal
      onSubmit={(e) => {
        e.preventDefault();
        if (words && words.length > 0) run(words);
      }}
    >
      <FormGroup label={t('terminal.command')} fieldId="terminal-command">
        <div className="ew-terminal-command">
          <TextInput id="terminal-command" value={text} onChange={(_, v) => setText(v)} validated={wrong ? 'error' : 'default'} autoComplete="off" spellCheck="false" placeholder="python3 -q" aria-describedby="terminal-command-help" />
          <Button type="submit" variant="secondary" isDisabled={!words || words.length === 0}>
            {t('terminal.run')}
          </Button>
        </div>
        <FormHelperText>
          <HelperText id="terminal-command-help">
            <HelperTextItem variant={wrong ? 'error' : 'default'}>{wrong ? t('terminal.openQuote') : t('terminal.commandHelp')}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
    </Form>
  );
}

function State({ status }: { status: Status }) {
  const { t } = useTranslation();
  const color = ({ connecting: 'info', open: 'success', silent: 'warning', over: undefined } as const)[status.state];
  return (
    <Label status={color} isCompact aria-live="polite">
      {t(`terminal.states.${status.state}`)}
    </Label>
  );
}

function Notice({ status, ready, again }: { status: Status; ready: boolean; again: () => void }) {
  const { t } = useTranslation();
  if (!ready) return null;
  if (status.state === 'silent') return <Alert component="p" variant="warning" isInline title={t('terminal.silent')} role="status" />;
  if (status.state !== 'over') return null;
  const { end } = status;
  const good = end.code === 'Ended';
  const text = explain(end);
  const restart = (
    <Button variant="link" isInline onClick={again}>
      {t('terminal.again')}
    </Button>
  );
  return (
    <Alert component="p" variant={good ? 'info' : 'danger'} isInline title={titleOf(end, t)} actionLinks={restart} role="status">
      {text.message} {text.remedy && t('states.remedy', { remedy: text.remedy })}
    </Alert>
  );
}

const known = new Set(['Ended', 'NoProgram', 'Forbidden', 'NodeUnreachable', 'SessionOver', 'Lost', 'NotFound']);

function titleOf(end: End, t: (key: string, values?: Record<string, unknown>) => string): string {
  return t(`terminal.ends.${known.has(end.code) ? end.code : 'Failed'}`, { code: end.exitCode ?? 0 });
}
