import { Alert, ProgressStep, ProgressStepper } from '@patternfly/react-core';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { useEvents } from '../api/events';
import { explain } from '../lib/errors';
import { urlPath } from '../lib/paths';

type State = Schemas['OperationState'];

const variants = { Running: 'info', Done: 'success', Failed: 'danger' } as const;

/** Follows a long operation step by step. `words` is where the steps' names are translated. */
export function Operation({ cluster, operation, onDone, words }: { cluster: string; operation: State; onDone?: (state: State) => void; words: string }) {
  const { t } = useTranslation();
  const news = useEvents<State>(urlPath`/api/v1/clusters/${cluster}/operations/${operation.id}/events`, (s) => s.done);
  const state = news ?? operation;
  useEffect(() => {
    if (state.done) onDone?.(state);
    // onDone may be a new function at every render; only the state matters.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [state.done]);
  return (
    <div aria-live="polite">
      <ProgressStepper isVertical aria-label={t('operation.progress')}>
        {state.steps.map((s) => (
          <ProgressStep
            key={s.name}
            id={`step-${s.name}`}
            titleId={`step-${s.name}-title`}
            variant={variants[s.state]}
            isCurrent={s.state === 'Running'}
            description={s.message}
            aria-label={`${t(`${words}.${s.name}`, { defaultValue: s.name })}: ${t(`operation.states.${s.state}`)}`}
          >
            {t(`${words}.${s.name}`, { defaultValue: s.name })}
          </ProgressStep>
        ))}
      </ProgressStepper>
      {state.error && (
        <Alert component="p" variant="danger" isInline title={explain(state.error).message}>
          {explain(state.error).remedy}
        </Alert>
      )}
    </div>
  );
}
