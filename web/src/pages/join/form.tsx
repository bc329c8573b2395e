import { ActionGroup, Button, Checkbox, ExpandableSection, Form, FormGroup, FormSelect, FormSelectOption, TextInput } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useNavigate } from 'react-router';
import { api, ApiError, data, type Problem, type Schemas } from '../../api/client';
import { FieldHelp, LabelFields, labelsOf, TaintFields, taintsOf, type Pair } from '../../components/metadata-fields';
import { InlineError } from '../../components/states';
import { urlPath } from '../../lib/paths';

type Request = Schemas['JoinRequest'];

interface Props {
  cluster: string;
  initial: Request;
  onMade: (made: Schemas['NewEnrollment'], request: Request) => void;
}

/**
 * Step 1: what the node is and where it finds CloudCore. The ids carry a prefix:
 * a field with the id nodeName would hide the form's own property of that name.
 */
export function JoinForm({ cluster, initial, onMade }: Props) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [r, setRequest] = useState(initial);
  const [labels, setLabels] = useState<Pair[]>(Object.entries(initial.labels));
  const [address, setAddress] = useState(hostPort(initial.cloudCore.host, initial.cloudCore.webSocketPort));
  const make = useMutation({
    mutationFn: (body: Request) => data(api.POST('/api/v1/clusters/{cluster}/enrollments', { params: { path: { cluster } }, body })),
    onSuccess: onMade,
  });
  const change = (part: Partial<Request>) => setRequest({ ...r, ...part });
  const core = (part: Partial<Request['cloudCore']>) => change({ cloudCore: { ...r.cloudCore, ...part } });
  const problems = make.error instanceof ApiError ? (make.error.body.problems ?? []) : [];
  const problem = (...fields: string[]) => problems.find((p) => fields.some((f) => p.field === f || p.field.startsWith(`${f}[`) || p.field.startsWith(`${f}.`)));
  const submit = () => {
    make.mutate({ ...r, nodeName: r.nodeName.trim(), nodeIP: r.nodeIP.trim(), cloudCore: { ...r.cloudCore, ...splitHostPort(address) }, labels: labelsOf(labels), taints: taintsOf(r.taints) });
  };
  return (
    <Form
      isWidthLimited
      maxWidth="55rem"
      onSubmit={(e) => {
        e.preventDefault();
        submit();
      }}
    >
      {make.error && <InlineError error={make.error} />}
      <Text id="join-nodeName" label={t('join.nodeName')} value={r.nodeName} required problem={problem('nodeName')} help={t('join.nodeNameHelp')} onChange={(nodeName) => change({ nodeName })} />
      <FormGroup label={t('join.arch')} fieldId="join-arch" isRequired>
        <FormSelect id="join-arch" value={r.arch} onChange={(_, v) => change({ arch: v as Request['arch'] })}>
          <FormSelectOption value="amd64" label="x64" />
          <FormSelectOption value="arm64" label="ARM64" />
          <FormSelectOption value="arm" label="ARM32" />
        </FormSelect>
      </FormGroup>
      <Text id="join-nodeIP" label={t('join.nodeIP')} value={r.nodeIP} required problem={problem('nodeIP')} help={t('join.nodeIPHelp')} onChange={(nodeIP) => change({ nodeIP })} />
      <div className="ew-form-row">
        <Text id="join-cloudCore" label={t('join.cloudCore')} value={address} required problem={problem('cloudCore.host', 'cloudCore.webSocketPort')} onChange={setAddress} />
        <Port id="join-certPort" label={t('join.certPort')} value={r.cloudCore.certPort} problem={problem('cloudCore.certPort')} onChange={(certPort) => core({ certPort })} />
        <Port id="join-quicPort" label={t('join.quicPort')} value={r.cloudCore.quicPort} problem={problem('cloudCore.quicPort')} help={r.cloudCore.quicPort === 0 ? t('join.off') : undefined} onChange={(quicPort) => core({ quicPort })} />
        <Port id="join-tunnelPort" label={t('join.tunnelPort')} value={r.cloudCore.tunnelPort} problem={problem('cloudCore.tunnelPort')} help={r.cloudCore.tunnelPort === 0 ? t('join.off') : undefined} onChange={(tunnelPort) => core({ tunnelPort })} />
      </div>
      <LabelFields id="join-labels" labels={labels} problem={problem('labels')} onChange={setLabels} />
      <TaintFields id="join-taints" taints={r.taints} problem={problem('taints')} onChange={(taints) => change({ taints })} />
      <FormGroup role="group" label={t('join.components')} fieldId="join-components" isStack>
        <Checkbox id="join-edgeStream" label={t('join.edgeStream')} description={t('join.edgeStreamHelp')} isChecked={r.edgeStream} onChange={(_, edgeStream) => change({ edgeStream })} />
        <Checkbox id="join-edgeMesh" label={t('join.edgeMesh')} description={t('join.edgeMeshHelp')} isChecked={r.edgeMesh} onChange={(_, edgeMesh) => change({ edgeMesh })} />
        <Checkbox id="join-eventBus" label={t('join.eventBus')} description={t('join.eventBusHelp')} isChecked={r.eventBus} onChange={(_, eventBus) => change({ eventBus })} />
      </FormGroup>
      <ExpandableSection toggleText={t('join.more')}>
        <Text id="join-runtimeEndpoint" label={t('join.runtime')} value={r.runtimeEndpoint ?? ''} problem={problem('runtimeEndpoint')} help={t('join.runtimeHelp')} onChange={(runtimeEndpoint) => change({ runtimeEndpoint })} />
        <FormGroup label={t('join.cgroup')} fieldId="join-cgroup">
          <FormSelect id="join-cgroup" value={r.cgroupDriver ?? ''} onChange={(_, v) => change({ cgroupDriver: v as Request['cgroupDriver'] })}>
            <FormSelectOption value="" label={t('join.cgroupAuto')} />
            <FormSelectOption value="systemd" label="systemd" />
            <FormSelectOption value="cgroupfs" label="cgroupfs" />
          </FormSelect>
        </FormGroup>
        <Port id="join-lifetime" label={t('join.lifetime')} value={r.lifetimeMinutes} problem={problem('lifetime')} onChange={(lifetimeMinutes) => change({ lifetimeMinutes })} />
      </ExpandableSection>
      <ActionGroup>
        <Button type="submit" isLoading={make.isPending} isDisabled={make.isPending || r.nodeName.trim() === ''}>
          {t('join.next')}
        </Button>
        <Button variant="link" onClick={() => void navigate(urlPath`/clusters/${cluster}/nodes`)}>
          {t('common.cancel')}
        </Button>
      </ActionGroup>
    </Form>
  );
}

interface TextProps {
  id: string;
  label: string;
  value: string;
  required?: boolean;
  problem?: Problem;
  help?: string;
  onChange: (v: string) => void;
}

function Text({ id, label, value, required, problem, help, onChange }: TextProps) {
  return (
    <FormGroup label={label} fieldId={id} isRequired={required}>
      <TextInput id={id} value={value} isRequired={required} validated={problem ? 'error' : 'default'} onChange={(_, v) => onChange(v)} aria-describedby={problem || help ? `${id}-help` : undefined} />
      <FieldHelp id={`${id}-help`} problem={problem} help={help} />
    </FormGroup>
  );
}

function Port({ value, onChange, ...rest }: Omit<TextProps, 'value' | 'onChange'> & { value: number; onChange: (v: number) => void }) {
  return <Text {...rest} value={String(value)} onChange={(v) => onChange(Number(v.replace(/\D/g, '').slice(0, 6)))} />;
}

/** "host:port", with brackets around an IPv6 address. */
export function hostPort(host: string, port: number): string {
  if (host === '') return '';
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The inverse of hostPort; without a port it is 0, which the server refuses by name. */
export function splitHostPort(text: string): { host: string; webSocketPort: number } {
  const m = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,6}))?$/.exec(text.trim());
  if (!m) return { host: text.trim(), webSocketPort: 0 };
  return { host: m[1] ?? m[2] ?? '', webSocketPort: Number(m[3] ?? 0) };
}
