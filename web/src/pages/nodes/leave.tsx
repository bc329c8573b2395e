import { Alert, Button, Checkbox, Form, FormGroup, Modal, ModalBody, ModalFooter, ModalHeader, NumberInput, TextInput } from '@patternfly/react-core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { api, data } from '../../api/client';
import { leavePlanQuery } from '../../api/queries';
import { Operation } from '../../components/operation';
import { InlineError, Loaded } from '../../components/states';
import { Plan } from './leave-plan';
import { urlPath } from '../../lib/paths';

/** Asks for the node's name, then retires it and shows how that goes. */
export function Leave({ cluster, node, close }: { cluster: string; node: string; close: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [confirm, setConfirm] = useState('');
  const [force, setForce] = useState(false);
  const [seconds, setSeconds] = useState(60);
  const [done, setDone] = useState(false);
  const leave = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/v1/clusters/{cluster}/nodes/{node}/leave', {
          params: { path: { cluster, node } },
          body: { confirm, force, timeoutSeconds: seconds },
        }),
      ),
  });
  const plan = useQuery(leavePlanQuery(cluster, node, !leave.data));
  const end = () => (done ? void navigate(urlPath`/clusters/${cluster}/nodes`) : close());
  return (
    <Modal isOpen variant="medium" onClose={end} aria-labelledby="leave-title" aria-describedby="leave-body">
      <ModalHeader title={t('leave.title', { node })} labelId="leave-title" titleIconVariant="warning" />
      <ModalBody id="leave-body">
        {leave.data ? (
          <>
            <Operation cluster={cluster} operation={leave.data} onDone={(o) => setDone(!o.error)} words="leave.steps" />
            {done && (
              <Alert component="p" variant="success" isInline title={t('leave.done', { node })}>
                {t('leave.onDevice')} <code>edgectl leave</code>
              </Alert>
            )}
          </>
        ) : (
          <>
            <Loaded query={plan}>{(p) => <Plan plan={p} />}</Loaded>
            <Form
              id="leave-form"
              onSubmit={(e) => {
                e.preventDefault();
                leave.mutate();
              }}
            >
              <InlineError error={leave.error} />
              <FormGroup label={t('leave.timeout')} fieldId="leave-timeout">
                <NumberInput
                  id="leave-timeout"
                  value={seconds}
                  min={0}
                  max={3600}
                  onMinus={() => setSeconds(Math.max(0, seconds - 10))}
                  onPlus={() => setSeconds(seconds + 10)}
                  onChange={(e) => setSeconds(Number(e.currentTarget.value) || 0)}
                  inputAriaLabel={t('leave.timeout')}
                  minusBtnAriaLabel={t('leave.less')}
                  plusBtnAriaLabel={t('leave.more')}
                  unit={t('leave.seconds')}
                />
              </FormGroup>
              <Checkbox id="leave-force" label={t('leave.force')} description={t('leave.forceHelp')} isChecked={force} onChange={(_, v) => setForce(v)} />
              <FormGroup label={t('leave.confirm', { node })} fieldId="leave-confirm" isRequired>
                <TextInput id="leave-confirm" value={confirm} onChange={(_, v) => setConfirm(v)} autoComplete="off" />
              </FormGroup>
            </Form>
          </>
        )}
      </ModalBody>
      <ModalFooter>
        {!leave.data && (
          <Button variant="danger" type="submit" form="leave-form" isDisabled={confirm !== node || leave.isPending} isLoading={leave.isPending}>
            {t('leave.action')}
          </Button>
        )}
        <Button variant="link" onClick={end}>
          {leave.data ? t('common.close') : t('common.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
