import { Alert, Button, Card, CardBody, CardTitle, Content, Form, FormGroup, FormHelperText, HelperText, HelperTextItem, Stack, StackItem, TextInput } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, data, type Schemas } from '../../api/client';
import { Copy } from '../../components/copy';
import { InlineError } from '../../components/states';

type Made = Schemas['NewEnrollment'];

/** Gives a file that was fetched to the browser's downloads. */
export function save(file: Blob, name: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  // The download has its own reference by the next task.
  setTimeout(() => URL.revokeObjectURL(link.href), 0);
}

/** The least length of a passphrase, as the server has it. */
const minPassphrase = 12;

function usePack(cluster: string, made: Made) {
  return useMutation({
    mutationFn: async (passphrase: string) => {
      const path = { cluster, enrollment: made.name };
      const body = passphrase ? { passphrase } : undefined;
      const file = await data(api.POST('/api/v1/clusters/{cluster}/enrollments/{enrollment}/bundle', { params: { path }, body, parseAs: 'blob' }));
      save(file as unknown as Blob, `edgeway-${made.nodeName}.tar.gz`);
    },
  });
}

/** The bundle of one device of many. */
export function BundleButton({ cluster, made, label }: { cluster: string; made: Made; label: string }) {
  const pack = usePack(cluster, made);
  return (
    <>
      <Button variant="link" isInline isLoading={pack.isPending} isDisabled={pack.isPending || pack.isSuccess} onClick={() => pack.mutate('')}>
        {label}
      </Button>
      <InlineError error={pack.error} />
    </>
  );
}

/** For a device that does not reach the console: a bundle to carry there. */
export function OfflineBundle({ cluster, made }: { cluster: string; made: Made }) {
  const { t, i18n } = useTranslation();
  const pack = usePack(cluster, made);
  const [passphrase, setPassphrase] = useState('');
  const short = passphrase !== '' && passphrase.length < minPassphrase;
  return (
    <Card>
      <CardTitle component="h2">{t('join.bundle.title')}</CardTitle>
      <CardBody>
        <Stack hasGutter>
          <StackItem>
            <Content component="p">{t('join.bundle.help')}</Content>
          </StackItem>
          <StackItem>
            <Form onSubmit={(e) => e.preventDefault()}>
              <FormGroup label={t('join.bundle.passphrase')} fieldId="bundle-passphrase">
                <TextInput
                  id="bundle-passphrase"
                  type="password"
                  autoComplete="new-password"
                  value={passphrase}
                  isDisabled={pack.isSuccess}
                  validated={short ? 'error' : 'default'}
                  onChange={(_, value) => setPassphrase(value)}
                />
                <FormHelperText>
                  <HelperText>
                    <HelperTextItem variant={short ? 'error' : 'default'}>
                      {short ? t('join.bundle.passphraseShort', { least: minPassphrase }) : t('join.bundle.passphraseHelp')}
                    </HelperTextItem>
                  </HelperText>
                </FormHelperText>
              </FormGroup>
            </Form>
          </StackItem>
          <StackItem>
            <Button variant="secondary" isLoading={pack.isPending} isDisabled={pack.isPending || pack.isSuccess || short} onClick={() => pack.mutate(passphrase)}>
              {t('join.bundle.download')}
            </Button>
          </StackItem>
          {pack.isSuccess && (
            <StackItem>
              <Copy text={`tar -xzf edgeway-${made.nodeName}.tar.gz && cd edgeway-${made.nodeName} && sudo ./edgectl join --bundle .`} name={t('join.bundle.command')} block />
            </StackItem>
          )}
          {pack.error && (
            <StackItem>
              <InlineError error={pack.error} />
            </StackItem>
          )}
          <StackItem>
            <Alert
              component="p"
              variant="warning"
              isInline
              isPlain
              title={t('join.bundle.warning', { node: made.nodeName, expires: made.expires ? new Date(made.expires).toLocaleString(i18n.language) : '' })}
            />
          </StackItem>
        </Stack>
      </CardBody>
    </Card>
  );
}

/** For who wants KubeEdge's own tool. */
export function StockKeadm({ cluster, made }: { cluster: string; made: Made }) {
  const { t } = useTranslation();
  const ask = useMutation({
    mutationFn: () =>
      data(api.POST('/api/v1/clusters/{cluster}/enrollments/{enrollment}/token', { params: { path: { cluster, enrollment: made.name } } })),
  });
  return (
    <Card>
      <CardTitle component="h2">{t('join.keadm.title')}</CardTitle>
      <CardBody>
        <Stack hasGutter>
          <StackItem>
            <Content component="p">{t('join.keadm.help')}</Content>
          </StackItem>
          {ask.data ? (
            <StackItem>
              <Copy text={ask.data.command} name={t('join.keadm.command')} block />
            </StackItem>
          ) : (
            <StackItem>
              <Button variant="secondary" isLoading={ask.isPending} isDisabled={ask.isPending} onClick={() => ask.mutate()}>
                {t('join.keadm.show')}
              </Button>
            </StackItem>
          )}
          {ask.error && (
            <StackItem>
              <InlineError error={ask.error} />
            </StackItem>
          )}
          <StackItem>
            <TokenWarning />
          </StackItem>
        </Stack>
      </CardBody>
    </Card>
  );
}

function TokenWarning() {
  const { t } = useTranslation();
  return (
    <Alert component="p" variant="warning" isInline isPlain title={t('join.tokenWarning')} />
  );
}
