import { Button, Card, CardBody, CardTitle, Flex, Grid, GridItem, Modal, ModalBody, ModalFooter, ModalHeader, PageSection, Tab, Tabs, TabTitleText, TextInput, FormGroup } from '@patternfly/react-core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useParams } from 'react-router';
import { api, data, type Schemas } from '../../api/client';
import { podEventsQuery, podQuery, podYamlQuery } from '../../api/queries';
import { Age, Events, Facts, Pairs, Restarts } from '../../components/detail';
import { useParam } from '../../components/list-state';
import { PageHead } from '../../components/page';
import { InlineError, Loaded } from '../../components/states';
import { PodStatus } from '../../components/status';
import { dateTime } from '../../lib/format';
import { PodMonitoring } from './monitoring';
import { Containers, Environment, Scheduling, Volumes } from './parts';
import { urlPath } from '../../lib/paths';

interface Where {
  cluster: string;
  namespace: string;
  pod: string;
}

const tabs = ['resources', 'scheduling', 'metadata', 'monitoring', 'environment', 'events'];

export function PodPage() {
  const { t } = useTranslation();
  const { cluster = '', namespace = '', pod = '' } = useParams();
  const where = { cluster, namespace, pod };
  const query = useQuery(podQuery(cluster, namespace, pod));
  const [tab, setTab] = useParam('tab', 'resources');
  return (
    <>
      <PageHead
        crumbs={[
          { label: t('nav.clusters'), to: '/clusters' },
          { label: cluster, to: urlPath`/clusters/${cluster}/nodes` },
          { label: t('pods.title'), to: urlPath`/clusters/${cluster}/pods` },
          { label: pod },
        ]}
        title={pod}
        status={query.data && <PodStatus status={query.data.status} />}
      />
      <PageSection isFilled>
        <Loaded query={query}>
          {(p) => (
            <Grid hasGutter>
              <GridItem lg={4}>
                <Details pod={p} where={where} />
              </GridItem>
              <GridItem lg={8}>
                <Tabs activeKey={tab} onSelect={(_, key) => setTab(String(key))} aria-label={t('pod.tabs.label')} isBox>
                  {tabs.map((key) => (
                    <Tab key={key} eventKey={key} title={<TabTitleText>{t(`pod.tabs.${key}`)}</TabTitleText>} tabContentId="pod-tab" />
                  ))}
                </Tabs>
                <div id="pod-tab" role="tabpanel" aria-label={t(`pod.tabs.${tab}`)}>
                  <Card>
                    <CardBody>
                      {tab === 'resources' && (
                        <>
                          <Containers pod={p} cluster={cluster} />
                          <Volumes pod={p} />
                        </>
                      )}
                      {tab === 'scheduling' && <Scheduling pod={p} cluster={cluster} />}
                      {tab === 'metadata' && (
                        <Facts
                          rows={[
                            [t('node.labels'), <Pairs key="l" pairs={p.labels} name={t('node.labels')} />],
                            [t('node.annotations'), <Pairs key="a" pairs={p.annotations} name={t('node.annotations')} />],
                            ['UID', p.uid],
                          ]}
                        />
                      )}
                      {tab === 'monitoring' && <PodMonitoring {...where} />}
                      {tab === 'environment' && <Environment pod={p} />}
                      {tab === 'events' && <PodEvents where={where} />}
                    </CardBody>
                  </Card>
                </div>
              </GridItem>
            </Grid>
          )}
        </Loaded>
      </PageSection>
    </>
  );
}

function Details({ pod, where }: { pod: Schemas['PodDetail']; where: Where }) {
  const { t, i18n } = useTranslation();
  const [dialog, setDialog] = useState<'yaml' | 'delete'>();
  return (
    <Card>
      <CardTitle component="h2">{t('pod.details')}</CardTitle>
      <CardBody>
        <Flex gap={{ default: 'gapSm' }}>
          <Button variant="secondary" onClick={() => setDialog('yaml')}>
            {t('pod.viewYaml')}
          </Button>
          <Button variant="danger" onClick={() => setDialog('delete')}>
            {t('pod.delete')}
          </Button>
        </Flex>
        <br />
        <Facts
          rows={[
            [t('pod.cluster'), where.cluster],
            [t('pod.project'), pod.namespace],
            [t('pod.application'), pod.app],
            [t('pod.status'), <PodStatus key="s" status={pod.status} />],
            [t('pod.ip'), pod.ip],
            [t('pod.node'), pod.node && <Link to={urlPath`/clusters/${where.cluster}/nodes/${pod.node}`}>{pod.node}</Link>],
            [t('pod.nodeIP'), pod.nodeIP],
            [t('pod.restarts'), <Restarts key="r" pod={pod} />],
            [t('pod.qos'), pod.qos],
            [t('pod.owner'), pod.owner],
            [t('pod.created'), dateTime(pod.created, i18n.language)],
            [t('pod.age'), <Age key="a" at={pod.created} />],
          ]}
        />
      </CardBody>
      {dialog === 'yaml' && <Yaml where={where} close={() => setDialog(undefined)} />}
      {dialog === 'delete' && <Delete where={where} close={() => setDialog(undefined)} />}
    </Card>
  );
}

function Yaml({ where, close }: { where: Where; close: () => void }) {
  const { t } = useTranslation();
  const yaml = useQuery(podYamlQuery(where.cluster, where.namespace, where.pod));
  return (
    <Modal isOpen variant="large" onClose={close} aria-labelledby="yaml-title">
      <ModalHeader title={where.pod} labelId="yaml-title" />
      <ModalBody tabIndex={0}>
        <Loaded query={yaml}>{(text) => <pre className="ew-pre" tabIndex={0}>{String(text)}</pre>}</Loaded>
      </ModalBody>
      <ModalFooter>
        <Button variant="link" onClick={close}>
          {t('common.close')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function Delete({ where, close }: { where: Where; close: () => void }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const remove = useMutation({
    mutationFn: () => data(api.DELETE('/api/v1/clusters/{cluster}/pods/{namespace}/{pod}', { params: { path: where } })),
    onSuccess: () => navigate(urlPath`/clusters/${where.cluster}/pods`),
  });
  return (
    <Modal isOpen variant="small" onClose={close} aria-labelledby="delete-title">
      <ModalHeader title={t('pod.deleteTitle', { pod: where.pod })} labelId="delete-title" titleIconVariant="warning" />
      <ModalBody>
        <InlineError error={remove.error} />
        <FormGroup label={t('pod.deleteConfirm', { pod: where.pod })} fieldId="delete-confirm">
          <TextInput id="delete-confirm" value={name} onChange={(_, v) => setName(v)} autoComplete="off" />
        </FormGroup>
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" isDisabled={name !== where.pod || remove.isPending} isLoading={remove.isPending} onClick={() => remove.mutate()}>
          {t('pod.delete')}
        </Button>
        <Button variant="link" onClick={close}>
          {t('common.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}

function PodEvents({ where }: { where: Where }) {
  const events = useQuery(podEventsQuery(where.cluster, where.namespace, where.pod));
  return <Loaded query={events}>{(list) => <Events events={list} />}</Loaded>;
}
