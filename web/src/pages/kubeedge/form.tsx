import { ActionGroup, Alert, Button, ExpandableSection, Form, FormGroup, FormHelperText, FormSection, FormSelect, FormSelectOption, Grid, GridItem, HelperText, HelperTextItem, Switch, TextInput } from '@patternfly/react-core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { api, ApiError, data, type Problem, type Schemas } from '../../api/client';
import { kubeEdgeDefaultsQuery } from '../../api/queries';
import { Empty, InlineError, Loaded } from '../../components/states';
import { get, groups, set, withServiceType, type Field, type ServiceType, type Settings } from './fields';
import { Review } from './review';

type State = Schemas['OperationState'];

interface Props {
  cluster: string;
  admin: boolean;
  /** What is in force; absent when KubeEdge is to be enabled. */
  current?: Schemas['KubeEdgeView'];
  onStarted: (o: State) => void;
}

/**
 * The form of both parameter tables: with the settings in force, or with the defaults where
 * there are none or they cannot be read. Who may not replace them sees no defaults, which
 * would look like the settings in force.
 */
export function SettingsForm(props: Props) {
  const { t } = useTranslation();
  const { current, admin } = props;
  const fromDefaults = current === undefined || (current.unreadable !== undefined && admin);
  const defaults = useQuery(kubeEdgeDefaultsQuery(props.cluster, 'NodePort', fromDefaults && !current?.settings));
  if (current?.settings) return <Editor {...props} initial={current.settings} hints={[]} />;
  if (current && !current.unreadable) return <Empty title={t('settings.none')} body={t('settings.noneBody')} />;
  return (
    <>
      {current && (
        <Alert component="p" variant="warning" isInline title={t('settings.unreadable')}>
          {current.unreadable}
          {admin && (
            <>
              <br />
              {t('settings.replaces')}
            </>
          )}
        </Alert>
      )}
      {fromDefaults && <Loaded query={defaults}>{(d) => <Editor {...props} initial={d.settings} hints={d.problems} />}</Loaded>}
    </>
  );
}

function Editor({ cluster, admin, current, initial, hints, onStarted }: Props & { initial: Settings; hints: Problem[] }) {
  const { t } = useTranslation();
  const [settings, setSettings] = useState(initial);
  const [reviewing, setReviewing] = useState(false);
  const nodePort = useQuery(kubeEdgeDefaultsQuery(cluster, 'NodePort', admin));
  const loadBalancer = useQuery(kubeEdgeDefaultsQuery(cluster, 'LoadBalancer', admin));
  const plan = useMutation({
    mutationFn: () => data(api.POST('/api/v1/clusters/{cluster}/kubeedge/plan', { params: { path: { cluster } }, body: settings })),
    onSuccess: (p) => setReviewing(p.problems.every((x) => x.warning)),
  });
  const problems: Problem[] = plan.data?.problems ?? (plan.error instanceof ApiError ? plan.error.body.problems : undefined) ?? hints;
  const change = (path: string, value: unknown) => {
    plan.reset();
    const defaults = { NodePort: nodePort.data?.settings, LoadBalancer: loadBalancer.data?.settings };
    const from = defaults[settings.serviceType];
    const to = path === 'serviceType' ? defaults[value as ServiceType] : undefined;
    setSettings(from && to ? withServiceType(settings, from, to) : set(settings, path, value));
  };
  const changed = JSON.stringify(settings) !== JSON.stringify(initial);
  // Defaults that take the place of settings which cannot be read are a change as they are.
  const same = current?.settings !== undefined && !changed;
  const shown = new Set(groups.flatMap((g) => g.fields.map((f) => f.path)));
  const elsewhere = problems.filter((p) => !shown.has(p.field));
  return (
    <Form
      isWidthLimited
      maxWidth="70rem"
      onSubmit={(e) => {
        e.preventDefault();
        plan.mutate();
      }}
    >
      {groups.map((g) => {
        const rows = (
          <Grid hasGutter md={6}>
            {g.fields.map((f) => (
              <GridItem key={f.path}>
                <Row
                  field={f}
                  settings={settings}
                  disabled={!admin || (f.needs !== undefined && get(settings, f.needs) !== true)}
                  problem={problems.find((p) => concerns(p, f))}
                  change={change}
                />
              </GridItem>
            ))}
          </Grid>
        );
        return g.name === 'advanced' ? (
          <Advanced key={g.name} title={t(`settings.groups.${g.name}`)} refused={problems.some((p) => !p.warning && g.fields.some((f) => concerns(p, f)))}>
            {rows}
          </Advanced>
        ) : (
          <FormSection key={g.name} title={t(`settings.groups.${g.name}`)} titleElement="h2">
            {rows}
          </FormSection>
        );
      })}
      {elsewhere.map((p) => (
        <Alert component="p" key={p.field + p.code} variant={p.warning ? 'warning' : 'danger'} isInline title={`${p.field}: ${p.message}`}>
          {p.remedy}
        </Alert>
      ))}
      {plan.error && !problems.length && <InlineError error={plan.error} />}
      {plan.data && problems.some((p) => !p.warning) && <Alert component="p" variant="danger" isInline title={t('settings.refused')} role="alert" />}
      {admin && (
        <ActionGroup>
          <Button type="submit" isLoading={plan.isPending} isDisabled={plan.isPending || same}>
            {current ? t('settings.review') : t('settings.reviewEnable')}
          </Button>
          {current && changed && (
            <Button
              variant="link"
              onClick={() => {
                plan.reset();
                setSettings(initial);
              }}
            >
              {t('settings.reset')}
            </Button>
          )}
        </ActionGroup>
      )}
      {reviewing && plan.data && <Review cluster={cluster} plan={plan.data} settings={settings} close={() => setReviewing(false)} onStarted={onStarted} />}
    </Form>
  );
}

/** Whether a problem is with a field, or with a part of it. */
function concerns(p: Problem, f: Field): boolean {
  return p.field === f.path || p.field.startsWith(`${f.path}[`) || p.field.startsWith(`${f.path}.`);
}

/** Fields that few change: made when they are asked for, and when one of them is refused. */
function Advanced({ title, refused, children }: { title: string; refused: boolean; children: ReactNode }) {
  const [open, setOpen] = useState(false);
  const shown = open || refused;
  return (
    <ExpandableSection toggleText={title} isExpanded={shown} onToggle={(_, to) => setOpen(to)}>
      {shown && children}
    </ExpandableSection>
  );
}

function Row({ field, settings, disabled, problem, change }: { field: Field; settings: Settings; disabled: boolean; problem?: Problem; change: (path: string, value: unknown) => void }) {
  const { t } = useTranslation();
  const id = `field-${field.path.replaceAll('.', '-')}`;
  const label = t(`settings.fields.${field.path.replaceAll('.', '_')}`);
  const value = get(settings, field.path);
  const help = problem ? `${problem.message}. ${problem.remedy}` : t(`settings.help.${field.path.replaceAll('.', '_')}`, { defaultValue: '' });
  const variant = problem ? (problem.warning ? 'warning' : 'error') : 'default';
  const described = help ? `${id}-help` : undefined;
  const control =
    field.kind === 'switch' ? (
      <Switch id={id} label={label} isChecked={value === true} isDisabled={disabled} onChange={(_, v) => change(field.path, v)} aria-describedby={described} />
    ) : (
      <Input id={id} field={field} value={value} disabled={disabled} variant={variant} described={described} found={settings.cluster.advertiseAddress} change={change} />
    );
  return (
    <FormGroup label={field.kind === 'switch' ? undefined : label} fieldId={field.kind === 'switch' ? undefined : id}>
      {control}
      {help && (
        <FormHelperText>
          <HelperText id={described} isLiveRegion={problem !== undefined}>
            <HelperTextItem variant={variant}>{help}</HelperTextItem>
          </HelperText>
        </FormHelperText>
      )}
    </FormGroup>
  );
}

interface InputProps {
  id: string;
  field: Field;
  value: unknown;
  disabled: boolean;
  variant: 'default' | 'warning' | 'error';
  described?: string;
  found: string[];
  change: (path: string, value: unknown) => void;
}

/** What the fields of a choice offer. */
const choices: Partial<Record<Field['kind'], string[]>> = {
  serviceType: ['NodePort', 'LoadBalancer'],
  pullPolicy: ['IfNotPresent', 'Always', 'Never'],
  backend: ['auto', 'nftables', 'iptables'],
};

function Input({ id, field, value, disabled, variant, described, found, change }: InputProps) {
  const { t } = useTranslation();
  // What was typed, as long as it says the same as the value: "10." or "a, " on the way.
  const [draft, setDraft] = useState<string>();
  const common = { id, isDisabled: disabled, 'aria-describedby': described };
  const options = choices[field.kind];
  if (options) {
    return (
      <FormSelect {...common} value={value} onChange={(_, v) => change(field.path, v)} validated={variant}>
        {options.map((o) => (
          <FormSelectOption key={o} value={o} label={t(`settings.options.${o}`, { defaultValue: o })} />
        ))}
      </FormSelect>
    );
  }
  if (field.kind === 'number') {
    return (
      <TextInput
        {...common}
        inputMode="numeric"
        validated={variant}
        value={String(value)}
        onChange={(_, v) => {
          const digits = v.replace(/\D/g, '').slice(0, 7);
          change(field.path, digits === '' ? 0 : Number(digits));
        }}
      />
    );
  }
  if (field.kind === 'list') {
    const list = Array.isArray(value) ? (value as string[]) : [];
    const same = draft !== undefined && JSON.stringify(words(draft)) === JSON.stringify(list);
    return (
      <TextInput
        {...common}
        validated={variant}
        value={same ? draft : list.join(', ')}
        placeholder={field.path === 'cloudHub.advertiseAddress' && found.length > 0 ? t('settings.found', { found: found.join(', ') }) : undefined}
        onChange={(_, v) => {
          setDraft(v);
          change(field.path, words(v));
        }}
      />
    );
  }
  return <TextInput {...common} validated={variant} value={String(value ?? '')} onChange={(_, v) => change(field.path, v.trim())} />;
}

function words(text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean);
}
