import { ActionGroup, Alert, Button, Card, CardBody, CardTitle, Content, Flex, Form, Stack, StackItem } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import type { Schemas } from '../../api/client';
import { Copy } from '../../components/copy';
import { useNow } from '../../components/detail';
import { OfflineBundle, StockKeadm } from './other-ways';
import { QR } from './qr';
import { urlPath } from '../../lib/paths';

/** Step 2: the line to paste, or installer and command apart. */
export function Commands({ cluster, made, next }: { cluster: string; made: Schemas['NewEnrollment']; next: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  return (
    <Stack hasGutter>
      <StackItem>
        <Remaining expires={made.expires} />
      </StackItem>
      {made.commandProblem && (
        <StackItem>
          <Alert component="p" variant="danger" isInline title={t('join.noCommand')}>
            {made.commandProblem}
          </Alert>
        </StackItem>
      )}
      {made.command && (
        <StackItem>
          <Card>
            <CardTitle component="h2">{t('join.oneLine', { node: made.nodeName })}</CardTitle>
            <CardBody>
              <Content component="p">{t('join.oneLineHelp')}</Content>
              <Copy text={made.command} name={t('join.command')} block />
              <QR text={made.command} name={t('join.command')} />
            </CardBody>
          </Card>
        </StackItem>
      )}
      {made.installCommand && (
        <StackItem>
          <Card>
            <CardTitle component="h2">{t('join.byHand')}</CardTitle>
            <CardBody>
              <Content component="p">{t('join.byHandHelp')}</Content>
              <Flex>
                <Button variant="secondary" component="a" href={urlPath`/join/edgectl/${made.arch}`} download="edgectl">
                  {t('join.download')}
                </Button>
              </Flex>
              <br />
              <Copy text={made.installCommand} name={t('join.installCommand')} block />
            </CardBody>
          </Card>
        </StackItem>
      )}
      <StackItem>
        <OfflineBundle cluster={cluster} made={made} />
      </StackItem>
      <StackItem>
        <StockKeadm cluster={cluster} made={made} />
      </StackItem>
      <StackItem>
        <Form>
          <ActionGroup>
            <Button onClick={next}>{t('join.watch')}</Button>
            <Button variant="link" onClick={() => void navigate(urlPath`/clusters/${cluster}/nodes`)}>
              {t('join.finish')}
            </Button>
          </ActionGroup>
        </Form>
      </StackItem>
    </Stack>
  );
}

function Remaining({ expires }: { expires?: string }) {
  const { t } = useTranslation();
  const now = useNow(1000);
  if (!expires) return null;
  const seconds = Math.max(0, Math.floor((Date.parse(expires) - now) / 1000));
  const text = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
  return seconds > 0 ? (
    <Alert component="p" variant="info" isInline title={t('join.remaining', { text })}>
      {t('join.secret')}
    </Alert>
  ) : (
    <Alert component="p" variant="danger" isInline title={t('join.expired')} />
  );
}
