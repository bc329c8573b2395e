import { Button, Card, CardBody, Content, Flex, FlexItem, Title, Tooltip } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import FileAltIcon from '@patternfly/react-icons/dist/esm/icons/file-alt-icon';
import TerminalIcon from '@patternfly/react-icons/dist/esm/icons/terminal-icon';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import type { Schemas } from '../../api/client';
import { Conditions, Facts, Pairs } from '../../components/detail';
import { Empty } from '../../components/states';
import { ContainerState } from '../../components/status';
import { urlPath } from '../../lib/paths';

type Pod = Schemas['PodDetail'];

/** Containers with image, state, restarts and ports, each with its log. */
export function Containers({ pod, cluster }: { pod: Pod; cluster: string }) {
  const { t } = useTranslation();
  return (
    <>
      <Title headingLevel="h2" size="md">
        {t('pod.containers')}
      </Title>
      <Table aria-label={t('pod.containers')} variant="compact">
        <Thead>
          <Tr>
            <Th>{t('container.name')}</Th>
            <Th>{t('container.status')}</Th>
            <Th>{t('container.restarts')}</Th>
            <Th>{t('container.ports')}</Th>
          </Tr>
        </Thead>
        <Tbody>
          {pod.containers.map((c) => (
            <Tr key={`${c.kind}/${c.name}`}>
              <Td dataLabel={t('container.name')}>
                <Flex gap={{ default: 'gapSm' }}>
                  <FlexItem>
                    <strong>{c.name}</strong> {c.kind !== 'container' && `(${t(`container.kinds.${c.kind}`)})`}
                  </FlexItem>
                  <ContainerActions pod={pod} cluster={cluster} container={c} />
                </Flex>
                <div className="ew-muted ew-mono">{t('container.image', { image: c.image })}</div>
              </Td>
              <Td dataLabel={t('container.status')}>
                <ContainerState state={c.state} reason={[c.reason, c.message].filter(Boolean).join(': ') || undefined} />
                {c.lastEnd && <div className="ew-muted">{t('container.lastEnd', { reason: c.lastEnd.reason ?? '—', code: c.lastEnd.exitCode })}</div>}
              </Td>
              <Td dataLabel={t('container.restarts')}>{c.restarts}</Td>
              <Td dataLabel={t('container.ports')}>{c.ports.map((p) => `${p.port}/${p.protocol}`).join(', ') || '—'}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </>
  );
}

/** Buttons for a container's log and for a terminal in it. */
function ContainerActions({ pod, cluster, container: c }: { pod: Pod; cluster: string; container: Schemas['Container'] }) {
  const { t } = useTranslation();
  const to = (page: string) => urlPath`/clusters/${cluster}/pods/${pod.namespace}/${pod.name}/${page}?container=${c.name}`;
  return (
    <>
      <Tooltip content={t('container.logs')}>
        <Button variant="plain" size="sm" aria-label={t('container.logsOf', { name: c.name })} icon={<FileAltIcon />} component={(props) => <Link {...props} to={to('logs')} />} />
      </Tooltip>
      {c.state === 'running' ? (
        <Tooltip content={t('container.terminal')}>
          <Button variant="plain" size="sm" aria-label={t('container.terminalIn', { name: c.name })} icon={<TerminalIcon />} component={(props) => <Link {...props} to={to('terminal')} />} />
        </Tooltip>
      ) : (
        <Tooltip content={t('container.notRunning')}>
          <Button variant="plain" size="sm" isAriaDisabled aria-label={t('container.terminalIn', { name: c.name })} icon={<TerminalIcon />} />
        </Tooltip>
      )}
    </>
  );
}

/** Volumes with their mounts. */
export function Volumes({ pod }: { pod: Pod }) {
  const { t } = useTranslation();
  return (
    <>
      <br />
      <Title headingLevel="h2" size="md">
        {t('pod.volumes')}
      </Title>
      {pod.volumes.length === 0 && <Content component="p" className="ew-muted">{t('pod.noVolumes')}</Content>}
      {pod.volumes.map((v) => (
        <Card key={v.name} isCompact>
          <CardBody>
            <strong>{v.name}</strong>{' '}
            <span className="ew-muted">
              {v.type}
              {v.source ? `: ${v.source}` : ''}
            </span>
            {v.mounts.map((m) => (
              <div key={m.container + m.path} className="ew-mono">
                {m.container}: {m.path}
                {m.subPath && ` ← ${m.subPath}`} {m.readOnly && <span className="ew-muted">({t('pod.readOnly')})</span>}
              </div>
            ))}
          </CardBody>
        </Card>
      ))}
    </>
  );
}

/** Where the pod runs and why. */
export function Scheduling({ pod, cluster }: { pod: Pod; cluster: string }) {
  const { t } = useTranslation();
  return (
    <>
      <Facts
        rows={[
          [t('pod.node'), pod.node && <Link to={urlPath`/clusters/${cluster}/nodes/${pod.node}`}>{pod.node}</Link>],
          [t('pod.nodeSelector'), <Pairs key="n" pairs={pod.nodeSelector} name={t('pod.nodeSelector')} />],
          [t('pod.tolerations'), pod.tolerations.map((x) => <div key={x}>{x}</div>)],
          [t('pod.scheduler'), pod.scheduler],
          [t('pod.priority'), pod.priority],
          [t('pod.account'), pod.account],
        ]}
      />
      <br />
      <Conditions conditions={pod.conditions} />
    </>
  );
}

/** Environment variables; what comes from elsewhere is shown as a reference. */
export function Environment({ pod }: { pod: Pod }) {
  const { t } = useTranslation();
  const withEnv = pod.containers.filter((c) => c.env.length > 0);
  if (withEnv.length === 0) return <Empty title={t('pod.noEnv')} body={t('pod.noEnvBody')} />;
  return (
    <>
      {withEnv.map((c) => (
        <Table key={c.name} aria-label={t('pod.envOf', { name: c.name })} variant="compact">
          <caption>{c.name}</caption>
          <Thead>
            <Tr>
              <Th>{t('pod.envName')}</Th>
              <Th>{t('pod.envValue')}</Th>
            </Tr>
          </Thead>
          <Tbody>
            {c.env.map((e, i) => (
              <Tr key={`${e.name}-${i}`}>
                <Td className="ew-mono">{e.name}</Td>
                <Td className="ew-mono">{e.from ? <span className="ew-muted">{t('pod.envFrom', { from: e.from })}</span> : (e.value ?? '')}</Td>
              </Tr>
            ))}
          </Tbody>
        </Table>
      ))}
    </>
  );
}
