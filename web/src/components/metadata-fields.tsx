import { Button, FormGroup, FormHelperText, FormSelect, FormSelectOption, HelperText, HelperTextItem, TextInput } from '@patternfly/react-core';
import MinusCircleIcon from '@patternfly/react-icons/dist/esm/icons/minus-circle-icon';
import PlusCircleIcon from '@patternfly/react-icons/dist/esm/icons/plus-circle-icon';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { Problem, Schemas } from '../api/client';

type Taint = Schemas['Taint'];
/** A label while it is edited: its key may still be that of another. */
export type Pair = [string, string];

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Rows that were left empty do not count. */
export function labelsOf(pairs: Pair[]): Record<string, string> {
  return Object.fromEntries(pairs.map(([k, v]): Pair => [k.trim(), v.trim()]).filter(([k]) => k !== ''));
}

export const taintsOf = (taints: Taint[]): Taint[] => taints.filter((x) => x.key.trim() !== '');

interface LabelFieldsProps {
  id: string;
  labels: Pair[];
  problem?: Problem;
  onChange: (labels: Pair[]) => void;
}

export function LabelFields({ id, labels, problem, onChange }: LabelFieldsProps) {
  const { t } = useTranslation();
  return (
    <Rows id={id} label={t('join.labels')} problem={problem} add={() => onChange([...labels, ['', '']])} addLabel={t('join.addLabel')}>
      {labels.map(([key, value], i) => (
        <div className="ew-form-row" key={i}>
          <TextInput aria-label={t('join.labelKey', { n: i + 1 })} value={key} onChange={(_, v) => onChange(replace(labels, i, [v, value]))} />
          <TextInput aria-label={t('join.labelValue', { n: i + 1 })} value={value} onChange={(_, v) => onChange(replace(labels, i, [key, v]))} />
          <Remove label={t('join.removeLabel', { n: i + 1 })} onClick={() => onChange(labels.filter((_, x) => x !== i))} />
        </div>
      ))}
    </Rows>
  );
}

interface TaintFieldsProps {
  id: string;
  taints: Taint[];
  problem?: Problem;
  onChange: (taints: Taint[]) => void;
}

export function TaintFields({ id, taints, problem, onChange }: TaintFieldsProps) {
  const { t } = useTranslation();
  return (
    <Rows id={id} label={t('join.taints')} problem={problem} add={() => onChange([...taints, { key: '', value: '', effect: 'NoSchedule' }])} addLabel={t('join.addTaint')}>
      {taints.map((taint, i) => {
        const edit = (part: Partial<Taint>) => onChange(replace(taints, i, { ...taint, ...part }));
        return (
          <div className="ew-form-row" key={i}>
            <TextInput aria-label={t('join.taintKey', { n: i + 1 })} value={taint.key} onChange={(_, key) => edit({ key })} />
            <TextInput aria-label={t('join.taintValue', { n: i + 1 })} value={taint.value ?? ''} onChange={(_, value) => edit({ value })} />
            <FormSelect aria-label={t('join.taintEffect', { n: i + 1 })} value={taint.effect} onChange={(_, effect) => edit({ effect })}>
              {effects.map((e) => (
                <FormSelectOption key={e} value={e} label={e} />
              ))}
            </FormSelect>
            <Remove label={t('join.removeTaint', { n: i + 1 })} onClick={() => onChange(taints.filter((_, x) => x !== i))} />
          </div>
        );
      })}
    </Rows>
  );
}

/** What is wrong with a field, or else what it is for. */
export function FieldHelp({ id, problem, help }: { id: string; problem?: Problem; help?: string }) {
  const text = problem ? `${problem.message}. ${problem.remedy}` : help;
  if (!text) return null;
  return (
    <FormHelperText>
      <HelperText id={id} isLiveRegion={problem !== undefined}>
        <HelperTextItem variant={problem ? 'error' : 'default'}>{text}</HelperTextItem>
      </HelperText>
    </FormHelperText>
  );
}

function Rows({ id, label, problem, add, addLabel, children }: { id: string; label: string; problem?: Problem; add: () => void; addLabel: string; children: ReactNode }) {
  return (
    <FormGroup role="group" label={label} fieldId={id}>
      {children}
      <Button variant="link" icon={<PlusCircleIcon />} onClick={add}>
        {addLabel}
      </Button>
      <FieldHelp id={`${id}-help`} problem={problem} />
    </FormGroup>
  );
}

function Remove({ label, onClick }: { label: string; onClick: () => void }) {
  return <Button variant="plain" aria-label={label} icon={<MinusCircleIcon />} onClick={onClick} />;
}

function replace<T>(list: T[], i: number, value: T): T[] {
  return list.map((old, x) => (x === i ? value : old));
}
