import { ActionGroup, Alert, Button, Content, Form, FormGroup, FormSelect, FormSelectOption, List, ListItem, TextArea } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ApiError, data, type Schemas } from '../../api/client';
import { enrollmentsQuery } from '../../api/queries';
import { InlineError } from '../../components/states';
import { readText } from '../../lib/textfile';
import { BundleButton, save } from './other-ways';

type Item = Schemas['BatchItem'];

/** Many devices from one list, each with a script or bundle of its own, followed in one table. */
export function Batch({ cluster, base }: { cluster: string; base: Schemas['JoinRequest'] }) {
  const { t } = useTranslation();
  const [format, setFormat] = useState<'csv' | 'yaml'>('csv');
  const [list, setList] = useState('');
  const make = useMutation({
    mutationFn: () => data(api.POST('/api/v1/clusters/{cluster}/enrollment-batches', { params: { path: { cluster } }, body: { format, list, base } })),
  });
  const load = async (file: File | undefined) => {
    if (!file) return;
    setFormat(/\.ya?ml$/i.test(file.name) ? 'yaml' : 'csv');
    setList(await readText(file));
  };
  const problems = make.error instanceof ApiError ? (make.error.body.problems ?? []) : [];
  if (make.data) return <Devices cluster={cluster} items={make.data} />;
  return (
    <Form
      isWidthLimited
      maxWidth="55rem"
      onSubmit={(e) => {
        e.preventDefault();
        make.mutate();
      }}
    >
      {make.error && <InlineError error={make.error} />}
      {problems.length > 0 && (
        <List>
          {problems.map((p) => (
            <ListItem key={`${p.field} ${p.code}`}>
              <code>{p.field}</code>: {p.message}; {p.remedy}
            </ListItem>
          ))}
        </List>
      )}
      <Content component="p">{t('join.batch.help')}</Content>
      <FormGroup label={t('join.batch.file')} fieldId="batch-file">
        <input id="batch-file" type="file" accept=".csv,.yaml,.yml,text/csv" onChange={(e) => void load(e.target.files?.[0])} />
      </FormGroup>
      <FormGroup label={t('join.batch.format')} fieldId="batch-format">
        <FormSelect id="batch-format" value={format} onChange={(_, v) => setFormat(v as 'csv' | 'yaml')}>
          <FormSelectOption value="csv" label="CSV" />
          <FormSelectOption value="yaml" label="YAML" />
        </FormSelect>
      </FormGroup>
      <FormGroup label={t('join.batch.list')} fieldId="batch-list" isRequired>
        <TextArea id="batch-list" value={list} rows={10} resizeOrientation="vertical" className="ew-mono" placeholder={'nodeName,nodeIP,arch,labels\nedge-1,192.168.100.11,arm64,site=a;row=2'} onChange={(_, v) => setList(v)} />
      </FormGroup>
      <ActionGroup>
        <Button type="submit" isLoading={make.isPending} isDisabled={make.isPending || list.trim() === ''}>
          {t('join.next')}
        </Button>
      </ActionGroup>
    </Form>
  );
}

function Devices({ cluster, items }: { cluster: string; items: Item[] }) {
  const { t } = useTranslation();
  const now = useQuery({ ...enrollmentsQuery(cluster), refetchInterval: 2_000 });
  const phases = new Map((now.data ?? []).map((e) => [e.name, e]));
  const failed = items.filter((i) => !i.enrollment).length;
  return (
    <>
      <Alert component="p" variant={failed > 0 ? 'warning' : 'info'} isInline title={t('join.batch.made', { count: items.length - failed, failed })}>
        {t('join.secret')}
      </Alert>
      <Table aria-label={t('join.batch.title')} variant="compact">
        <Thead>
          <Tr>
            <Th>{t('join.nodeName')}</Th>
            <Th>{t('join.nodeIP')}</Th>
            <Th>{t('join.batch.phase')}</Th>
            <Th>{t('join.batch.ways')}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {items.map((i) => (
            <Tr key={i.nodeName}>
              <Td dataLabel={t('join.nodeName')}>{i.nodeName}</Td>
              <Td dataLabel={t('join.nodeIP')}>{i.enrollment?.nodeIP ?? '—'}</Td>
              <Td dataLabel={t('join.batch.phase')}>{i.enrollment ? <Phase e={phases.get(i.enrollment.name) ?? i.enrollment} /> : `${i.error?.message ?? ''} ${i.error?.remedy ?? ''}`}</Td>
              <Td dataLabel={t('join.batch.ways')}>
                {i.enrollment?.command && (
                  <Button variant="link" isInline onClick={() => save(new Blob([script(i.enrollment?.command ?? '')]), `join-${i.nodeName}.sh`)}>
                    {t('join.batch.script', { node: i.nodeName })}
                  </Button>
                )}{' '}
                {i.enrollment && <BundleButton cluster={cluster} made={i.enrollment} label={t('join.batch.bundle', { node: i.nodeName })} />}
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </>
  );
}

/** The wizard's line as a file for the device. */
export function script(command: string): string {
  return `#!/bin/sh\n${command}\n`;
}

function Phase({ e }: { e: Schemas['Enrollment'] }) {
  const { t } = useTranslation();
  const why = e.conditions.find((c) => c.status === 'False' && c.message);
  return (
    <>
      {t(`join.phases.${e.phase}`)}
      {why && e.phase !== 'Verified' && <div>{why.message}</div>}
    </>
  );
}
