import { Alert, Bullseye, Button, EmptyState, EmptyStateActions, EmptyStateBody, EmptyStateFooter, Spinner } from '@patternfly/react-core';
import CubesIcon from '@patternfly/react-icons/dist/esm/icons/cubes-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon';
import SearchIcon from '@patternfly/react-icons/dist/esm/icons/search-icon';
import type { UseQueryResult } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '../api/client';
import { explain } from '../lib/errors';
import { timeOfDay } from '../lib/format';

/** Nothing is there yet. */
export function Empty({ title, body, action }: { title: string; body: string; action?: ReactNode }) {
  return (
    <EmptyState titleText={title} icon={CubesIcon} headingLevel="h2">
      <EmptyStateBody>{body}</EmptyStateBody>
      {action && (
        <EmptyStateFooter>
          <EmptyStateActions>{action}</EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** Something is there, but nothing matches. */
export function NoMatch({ clear }: { clear: () => void }) {
  const { t } = useTranslation();
  return (
    <EmptyState titleText={t('states.noMatch')} icon={SearchIcon} headingLevel="h2">
      <EmptyStateBody>{t('states.noMatchBody')}</EmptyStateBody>
      <EmptyStateFooter>
        <EmptyStateActions>
          <Button variant="link" onClick={clear}>
            {t('states.clear')}
          </Button>
        </EmptyStateActions>
      </EmptyStateFooter>
    </EmptyState>
  );
}

/** What went wrong and what to do, which the server knows best; missing rights look different from failures. */
export function ErrorState({ error, remedy: otherwise, retry }: { error: unknown; remedy?: string; retry?: () => void }) {
  const { t } = useTranslation();
  const forbidden = error instanceof ApiError && error.status === 403;
  const remedy = error instanceof ApiError ? explain(error.body).remedy : otherwise;
  return (
    <EmptyState
      titleText={forbidden ? t('states.forbidden') : t('states.failed')}
      icon={forbidden ? LockIcon : ExclamationCircleIcon}
      status={forbidden ? 'warning' : 'danger'}
      headingLevel="h2"
    >
      <EmptyStateBody>
        {message(error)}
        {remedy && (
          <>
            <br />
            {remedy}
          </>
        )}
      </EmptyStateBody>
      {retry && (
        <EmptyStateFooter>
          <EmptyStateActions>
            <Button variant="secondary" onClick={retry}>
              {t('states.retry')}
            </Button>
          </EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** The text of an error. */
export function message(error: unknown): string {
  if (error instanceof ApiError) return explain(error.body).message || error.message;
  return error instanceof Error ? error.message : String(error);
}

/** An error beside a form or an action. */
export function InlineError({ error }: { error: unknown }) {
  const { t } = useTranslation();
  if (!error) return null;
  const { remedy } = explain(error instanceof ApiError ? error.body : {});
  return (
    <Alert component="p" variant="danger" isInline title={message(error)} role="alert">
      {remedy ? t('states.remedy', { remedy }) : null}
    </Alert>
  );
}

/**
 * The four states of a query around its content: loading, failed, and, when a
 * refresh failed, the old data marked with the time that it is from.
 */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  const { t, i18n } = useTranslation();
  if (query.data === undefined) {
    if (query.error) return <ErrorState error={query.error} retry={() => void query.refetch()} />;
    return (
      <Bullseye>
        <Spinner aria-label={t('common.loading')} />
      </Bullseye>
    );
  }
  return (
    <>
      {query.error && (
        <Alert component="p"
          variant="warning"
          isInline
          title={t('states.stale', { time: timeOfDay(query.dataUpdatedAt, i18n.language) })}
        >
          {message(query.error)}
        </Alert>
      )}
      {children(query.data)}
    </>
  );
}
