import { Button, Form, Modal, ModalBody, ModalFooter, ModalHeader } from '@patternfly/react-core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ApiError, data, type Schemas } from '../../api/client';
import { nodeQuery } from '../../api/queries';
import { LabelFields, labelsOf, TaintFields, taintsOf, type Pair } from '../../components/metadata-fields';
import { InlineError } from '../../components/states';

type Node = Schemas['NodeDetail'];
type Taint = Schemas['Taint'];
type Change = Schemas['NodeMetadataChange'];

/** Labels and taints of Kubernetes' own are no person's to change. */
const reserved = (key: string) => /(^|\.)(kubernetes|k8s)\.io\//.test(key);

/** The request that makes a node's labels and taints the edited ones. */
export function changeOf(node: Pick<Node, 'labels' | 'taints'>, labels: Record<string, string>, taints: Taint[]): Change {
  const out: Change = { labels: {}, setTaints: [], removeTaints: [] };
  const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  for (const [key, value] of Object.entries(labels)) if (node.labels[key] !== value) out.labels = { ...out.labels, [key]: value };
  for (const key of Object.keys(node.labels)) if (!reserved(key) && !(key in labels)) out.labels = { ...out.labels, [key]: null };
  out.setTaints = taints.filter((x) => !node.taints.some((y) => same(x, y) && (x.value ?? '') === (y.value ?? '')));
  out.removeTaints = node.taints.filter((y) => !reserved(y.key) && !taints.some((x) => same(x, y)));
  return out;
}

/** Dialog for the labels and taints of an edge node. */
export function EditMetadata({ cluster, node, close }: { cluster: string; node: Node; close: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [labels, setLabels] = useState<Pair[]>(Object.entries(node.labels).filter(([key]) => !reserved(key)));
  const [taints, setTaints] = useState(node.taints.filter((x) => !reserved(x.key)));
  const save = useMutation({
    mutationFn: (body: Change) => data(api.PATCH('/api/v1/clusters/{cluster}/nodes/{node}/metadata', { params: { path: { cluster, node: node.name } }, body })),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: nodeQuery(cluster, node.name).queryKey });
      close();
    },
  });
  const problems = save.error instanceof ApiError ? (save.error.body.problems ?? []) : [];
  return (
    <Modal isOpen variant="medium" onClose={close} aria-labelledby="metadata-title" aria-describedby="metadata-body">
      <ModalHeader title={t('node.editMetadata', { node: node.name })} labelId="metadata-title" />
      <ModalBody id="metadata-body">
        <Form
          id="metadata-form"
          onSubmit={(e) => {
            e.preventDefault();
            save.mutate(changeOf(node, labelsOf(labels), taintsOf(taints)));
          }}
        >
          <InlineError error={save.error} />
          <LabelFields id="metadata-labels" labels={labels} problem={problems.find((p) => p.field.startsWith('labels'))} onChange={setLabels} />
          <TaintFields id="metadata-taints" taints={taints} problem={problems.find((p) => p.field.startsWith('taints'))} onChange={setTaints} />
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="metadata-form" isLoading={save.isPending} isDisabled={save.isPending}>
          {t('common.save')}
        </Button>
        <Button variant="link" onClick={close}>
          {t('common.cancel')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
