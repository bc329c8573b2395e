import { ActionGroup, Alert, Button, Card, CardBody, CardHeader, CardTitle, Content, Divider, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, TextInput } from '@patternfly/react-core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLocation, useNavigate, useSearchParams } from 'react-router';
import { api, ApiError, data } from '../api/client';
import { sessionQuery, signInMethodsQuery } from '../api/queries';
import { Preferences } from '../components/preferences';
import { InlineError } from '../components/states';

/** Only pages of our own are returned to after sign-in. */
function target(state: unknown): string {
  const from = typeof state === 'object' && state !== null && 'from' in state ? String(state.from) : '';
  return from.startsWith('/') && !from.startsWith('//') ? from : '/clusters';
}

/** Why the session before ended; nothing for who comes for the first time. */
function endOf(state: unknown): ApiError | undefined {
  if (typeof state !== 'object' || state === null || !('why' in state)) return undefined;
  const body = state.why as ApiError['body'];
  return body.code && body.code !== 'SignInRequired' ? new ApiError(401, body) : undefined;
}

/** The words that the server sends back from a failed sign-in at the issuer. */
const problems = ['Expired', 'RateLimited', 'Denied', 'Unreachable', 'NoUser', 'NotAccepted', 'HostUnreachable', 'Invalid'] as const;

/** Sign-in at the OIDC issuer, where there is one, and why the last try failed. */
function Issuer() {
  const { t } = useTranslation();
  const { state } = useLocation();
  const [search] = useSearchParams();
  const methods = useQuery(signInMethodsQuery);
  const start = useMutation({
    mutationFn: () => data(api.POST('/api/v1/oidc', { body: { back: target(state) } })),
    onSuccess: ({ url }) => window.location.assign(url),
  });
  const name = methods.data?.oidc;
  if (!name) return null;
  const problem = problems.find((p) => p === search.get('problem'));
  const leaving = start.isPending || start.isSuccess;
  return (
    <div className="ew-issuer">
      {problem && !start.error && (
        <Alert component="p" variant="danger" isInline title={t(`signIn.problems.${problem}.title`, { name })} role="alert">
          {t(`signIn.problems.${problem}.remedy`, { name })}
        </Alert>
      )}
      <InlineError error={start.error} />
      <Button isBlock onClick={() => start.mutate()} isLoading={leaving} isDisabled={leaving}>
        {t('signIn.with', { name })}
      </Button>
      <Divider />
      <Content component="p">{t('signIn.orToken')}</Content>
    </div>
  );
}

export function SignIn() {
  const { t } = useTranslation();
  const [token, setToken] = useState('');
  const queries = useQueryClient();
  const navigate = useNavigate();
  const { state } = useLocation();
  useEffect(() => {
    document.title = `${t('signIn.title')} · Edgeway`;
  }, [t]);
  const signIn = useMutation({
    mutationFn: () => data(api.POST('/api/v1/session', { body: { token } })),
    onSuccess: (session) => {
      queries.setQueryData(sessionQuery.queryKey, session);
      void navigate(target(state), { replace: true });
    },
  });
  return (
    <div className="ew-signin">
      <main>
        <Card>
          <CardHeader actions={{ actions: <Preferences />, hasNoOffset: true }}>
            <CardTitle component="h1">{t('signIn.title')}</CardTitle>
          </CardHeader>
          <CardBody>
            <Content component="p">{t('signIn.intro')}</Content>
            <Issuer />
            <Form
              onSubmit={(e) => {
                e.preventDefault();
                signIn.mutate();
              }}
            >
              <InlineError error={signIn.error ?? (signIn.isIdle ? endOf(state) : undefined)} />
              <FormGroup label={t('signIn.token')} fieldId="token" isRequired>
                <TextInput
                  id="token"
                  type="password"
                  autoComplete="off"
                  isRequired
                  value={token}
                  onChange={(_, v) => setToken(v)}
                  validated={signIn.error ? 'error' : 'default'}
                  aria-describedby="token-help"
                />
                <FormHelperText>
                  <HelperText id="token-help">
                    <HelperTextItem>{t('signIn.help')}</HelperTextItem>
                  </HelperText>
                </FormHelperText>
              </FormGroup>
              <ActionGroup>
                <Button type="submit" isBlock isLoading={signIn.isPending} isDisabled={signIn.isPending || token.trim() === ''}>
                  {t('signIn.submit')}
                </Button>
              </ActionGroup>
            </Form>
          </CardBody>
        </Card>
      </main>
    </div>
  );
}
