import { Alert, Button, Content, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '../../components/table';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { api, data, type Schemas } from '../../api/client';
import { InlineError } from '../../components/states';
import type { Settings } from './fields';

interface Props {
  cluster: string;
  plan: Schemas['Plan'];
  settings: Settings;
  close: () => void;
  onStarted: (o: Schemas['OperationState']) => void;
}

/** What will change and what that means, before it is applied. */
export function Review({ cluster, plan, settings, close, onStarted }: Props) {
  const { t } = useTranslation();
  const apply = useMutation({
    mutationFn: () =>
      data(
        api.PUT('/api/v1/clusters/{cluster}/kubeedge', {
          params: { path: { cluster }, query: { revision: plan.revision } },
          body: settings,
        }),
      ),
    onSuccess: (o) => {
      close();
      onStarted(o);
    },
  });
  const nothing = plan.action === 'None';
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby="review-title">
      <ModalHeader title={t('review.title', { cluster })} labelId="review-title" />
      <ModalBody>
        <InlineError error={apply.error} />
        <Content>
          <p>{t(`review.actions.${plan.action}`)}</p>
          {plan.effects.length > 0 && (
            <ul>
              {plan.effects.map((e) => (
                <li key={e.code}>{t(`review.effects.${e.code}`, { defaultValue: e.message })}</li>
              ))}
            </ul>
          )}
        </Content>
        {plan.problems.map((p) => (
          <Alert component="p" key={p.field + p.code} variant="warning" isInline title={p.message}>
            {p.remedy}
          </Alert>
        ))}
        {plan.changes.length > 0 && (
          <Table aria-label={t('review.changes')} variant="compact">
            <Thead>
              <Tr>
                <Th>{t('review.field')}</Th>
                <Th>{t('review.from')}</Th>
                <Th>{t('review.to')}</Th>
              </Tr>
            </Thead>
            <Tbody>
              {plan.changes.map((c) => (
                <Tr key={c.field}>
                  <Td dataLabel={t('review.field')}>{t(`settings.fields.${c.field.replaceAll('.', '_')}`, { defaultValue: c.field })}</Td>
                  <Td dataLabel={t('review.from')} className="ew-mono">{JSON.stringify(c.from) ?? '—'}</Td>
                  <Td dataLabel={t('review.to')} className="ew-mono">{JSON.stringify(c.to) ?? '—'}</Td>
                </Tr>
              ))}
            </Tbody>
          </Table>
        )}
      </ModalBody>
      <ModalFooter>
        <Button isDisabled={nothing || apply.isPending} isLoading={apply.isPending} onClick={() => apply.mutate()}>
          {plan.action === 'Install' ? t('kubeedge.enable') : t('review.apply')}
        </Button>
        <Button variant="link" onClick={close}>
          {t('common.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
