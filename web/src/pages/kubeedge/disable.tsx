import { Alert, Button, Checkbox, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, TextInput } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, data, type Schemas } from '../../api/client';
import { InlineError } from '../../components/states';

/** Asks for the cluster's name, then disables KubeEdge. */
export function Disable({ cluster, close, onStarted }: { cluster: string; close: () => void; onStarted: (o: Schemas['OperationState']) => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState('');
  const [keepCA, setKeepCA] = useState(true);
  const disable = useMutation({
    mutationFn: () => data(api.DELETE('/api/v1/clusters/{cluster}/kubeedge', { params: { path: { cluster }, query: { keepCA } } })),
    onSuccess: onStarted,
  });
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="disable-title">
      <ModalHeader title={t('kubeedge.disableTitle', { cluster })} labelId="disable-title" titleIconVariant="warning" />
      <ModalBody>
        <Alert component="p" variant="warning" isInline isPlain title={t('kubeedge.disableWarning')} />
        <InlineError error={disable.error} />
        <Checkbox id="keep-ca" label={t('kubeedge.keepCA')} description={t('kubeedge.keepCAHelp')} isChecked={keepCA} onChange={(_, v) => setKeepCA(v)} />
        <br />
        <FormGroup label={t('kubeedge.disableConfirm', { cluster })} fieldId="disable-confirm">
          <TextInput id="disable-confirm" value={name} onChange={(_, v) => setName(v)} autoComplete="off" />
        </FormGroup>
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" isDisabled={name !== cluster || disable.isPending} isLoading={disable.isPending} onClick={() => disable.mutate()}>
          {t('kubeedge.disable')}
        </Button>
        <Button variant="link" onClick={close}>
          {t('common.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
