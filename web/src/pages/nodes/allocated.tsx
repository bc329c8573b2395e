import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { Table, Tbody, Td, Th, Thead, Tr } from '../../components/table';

/** What the pods of a node request, with the numbers of kubectl describe node. */
export function Allocated({ rows }: { rows: Schemas['Allocation'][] }) {
  const { t } = useTranslation();
  return (
    <Table aria-label={t('node.allocated')} variant="compact">
      <Thead>
        <Tr>
          <Th>{t('node.resource')}</Th>
          <Th>{t('node.requests')}</Th>
          <Th>{t('node.limits')}</Th>
        </Tr>
      </Thead>
      <Tbody>
        {rows.map((r) => (
          <Tr key={r.resource}>
            <Td dataLabel={t('node.resource')}>{r.resource}</Td>
            <Td dataLabel={t('node.requests')}>{withShare(r.requests, r.requestsPercent)}</Td>
            <Td dataLabel={t('node.limits')}>{withShare(r.limits, r.limitsPercent)}</Td>
          </Tr>
        ))}
      </Tbody>
    </Table>
  );
}

const withShare = (quantity: string, percent?: number) => (percent === undefined ? quantity : `${quantity} (${percent}%)`);
