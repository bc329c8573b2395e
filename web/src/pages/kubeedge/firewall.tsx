import { Alert, Content, ExpandableSection, FormSelect, FormSelectOption } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '../../components/table';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { Copy } from '../../components/copy';
import { PortCheck } from './portcheck';

/** The prompt to open firewall and port mappings, and to keep the stream port closed. */
export function Firewall({ cluster, view, admin }: { cluster: string; view: Schemas['KubeEdgeView']; admin: boolean }) {
  const { t } = useTranslation();
  const open = view.firewall.filter((e) => e.open);
  const closed = view.firewall.filter((e) => !e.open);
  const tools = open[0]?.commands.map((c) => c.tool) ?? [];
  const [tool, setTool] = useState('firewalld');
  const nodePort = view.settings?.serviceType === 'NodePort';
  return (
    <div className="ew-gap">
      <Alert component="p" variant="warning" isInline title={t('firewall.title')}>
        {nodePort ? t('firewall.bodyNodePort', { addresses: view.addresses.join(', ') || '—' }) : t('firewall.bodyLB', { addresses: view.addresses.join(', ') || '—' })}
      </Alert>
      <Table aria-label={t('firewall.title')} variant="compact">
        <Thead>
          <Tr>
            <Th>{t('firewall.service')}</Th>
            <Th>{t('firewall.external')}</Th>
            <Th>{t('firewall.mapsTo')}</Th>
            <Th>{t('firewall.protocol')}</Th>
            <Th>{t('firewall.who')}</Th>
            <Th>{t('firewall.why')}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {open.map((e) => (
            <Tr key={e.name}>
              <Td dataLabel={t('firewall.service')}>{t(`firewall.names.${e.name}`)}</Td>
              <Td dataLabel={t('firewall.external')}>{e.external}</Td>
              <Td dataLabel={t('firewall.mapsTo')}>{nodePort ? t('firewall.nodePort', { port: e.port }) : t('firewall.lbPort', { port: e.port })}</Td>
              <Td dataLabel={t('firewall.protocol')}>{e.protocol}</Td>
              <Td dataLabel={t('firewall.who')}>{t('firewall.edgeNodes')}</Td>
              <Td dataLabel={t('firewall.why')}>{t(`firewall.reasons.${e.name}`)}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      {admin && open.length > 0 && <PortCheck cluster={cluster} />}
      {closed.map((e) => (
        <Alert component="p" key={e.name} variant="danger" isInline title={t('firewall.closedTitle', { port: e.port })}>
          {t('firewall.closedBody')}
        </Alert>
      ))}
      <ExpandableSection toggleText={t('firewall.commands')}>
        <Content component="p">{t('firewall.commandsBody')}</Content>
        <FormSelect value={tool} onChange={(_, v) => setTool(v)} aria-label={t('firewall.tool')}>
          {tools.map((name) => (
            <FormSelectOption key={name} value={name} label={name} />
          ))}
        </FormSelect>
        {open.map((e) => {
          const command = e.commands.find((c) => c.tool === tool)?.command;
          return command && <div key={e.name}><Copy text={command} name={`${tool} ${e.name}`} /></div>;
        })}
      </ExpandableSection>
    </div>
  );
}
