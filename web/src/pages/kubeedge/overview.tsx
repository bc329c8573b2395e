import { Card, CardBody, CardTitle, Grid, GridItem, Label } from '@patternfly/react-core';
import { Table, Tbody, Td, Th, Thead, Tr } from '../../components/table';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { Facts } from '../../components/detail';
import { dateTime } from '../../lib/format';

/** How CloudCore, edge-watcher and the operators are doing. */
export function Status({ view }: { view: Schemas['KubeEdgeView'] }) {
  const { t, i18n } = useTranslation();
  const hidden = t('kubeedge.hidden');
  return (
    <Grid hasGutter>
      <GridItem lg={6}>
        <Card isFullHeight>
          <CardTitle component="h2">{t('kubeedge.overview')}</CardTitle>
          <CardBody>
            <Facts
              rows={[
                [t('kubeedge.addresses'), view.addresses.join(', ')],
                [t('kubeedge.serviceType'), view.settings?.serviceType],
                [t('kubeedge.edgeNodes'), view.edgeNodes ? t('kubeedge.edgeNodeCount', { ...view.edgeNodes }) : hidden],
                [t('kubeedge.nodeLimit'), view.settings && String(view.settings.cloudHub.nodeLimit)],
                [t('kubeedge.revision'), String(view.revision)],
                [t('kubeedge.changed'), view.changed && dateTime(view.changed, i18n.language)],
              ]}
            />
          </CardBody>
        </Card>
      </GridItem>
      <GridItem lg={6}>
        <Card isFullHeight>
          <CardTitle component="h2">{t('kubeedge.certificates')}</CardTitle>
          <CardBody>
            {view.certificates.length === 0 ? (
              hidden
            ) : (
              <Facts rows={view.certificates.map((c) => [c.name, c.notAfter ? t('kubeedge.until', { date: dateTime(c.notAfter, i18n.language) }) : (c.message ?? '—')])} />
            )}
          </CardBody>
        </Card>
      </GridItem>
      <GridItem>
        <Card>
          <CardTitle component="h2">{t('kubeedge.components')}</CardTitle>
          <CardBody>
            {view.components.length === 0 ? hidden : <Components components={view.components} />}
          </CardBody>
        </Card>
      </GridItem>
    </Grid>
  );
}

function Components({ components }: { components: Schemas['KubeEdgeView']['components'] }) {
  const { t } = useTranslation();
  return (
    <Table aria-label={t('kubeedge.components')} variant="compact">
      <Thead>
        <Tr>
          <Th>{t('kubeedge.component')}</Th>
          <Th>{t('kubeedge.ready')}</Th>
          <Th>{t('kubeedge.image')}</Th>
          <Th>{t('kubeedge.message')}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {components.map((c) => (
          <Tr key={c.name}>
            <Td dataLabel={t('kubeedge.component')}>{c.name}</Td>
            <Td dataLabel={t('kubeedge.ready')}>
              <Label isCompact status={c.desired > 0 && c.ready >= c.desired ? 'success' : 'warning'}>
                {c.ready}/{c.desired}
              </Label>
            </Td>
            <Td dataLabel={t('kubeedge.image')} className="ew-mono">{c.image || '—'}</Td>
            <Td dataLabel={t('kubeedge.message')}>{c.message || '—'}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}
