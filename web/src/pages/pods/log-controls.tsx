import { Button, FormSelect, FormSelectOption, Switch, ToggleGroup, ToggleGroupItem, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { Search } from '../nodes/nodes';

const tails = [100, 500, 1000, 5000, 20000, -1];
const sinces = [0, 60, 300, 900, 3600, 21600, 86400];

/** What the user chose, and how to change it. */
export interface Controls {
  container: string;
  setContainer: (v: string) => void;
  workload: string;
  setWorkload: (v: string) => void;
  tail: string;
  setTail: (v: string) => void;
  since: string;
  setSince: (v: string) => void;
  previous: boolean;
  setPrevious: (v: boolean) => void;
  follow: boolean;
  setFollow: (v: boolean) => void;
  stamps: boolean;
  setStamps: (v: boolean) => void;
  wrap: boolean;
  setWrap: (v: boolean) => void;
  search: string;
  setSearch: (v: string) => void;
  regex: boolean;
  setRegex: (v: boolean) => void;
  matchCase: boolean;
  setMatchCase: (v: boolean) => void;
  only: boolean;
  setOnly: (v: boolean) => void;
}

interface ControlsProps {
  pod: Schemas['PodDetail'] | undefined;
  container: string;
  /** Value that stands for all containers. */
  all: string;
  controls: Controls;
  download: string | undefined;
}

/** Choices of the log page, in two rows: which part, and how to look at it. */
export function LogControls({ pod, container, all, controls: c, download }: ControlsProps) {
  const { t } = useTranslation();
  return (
    <>
      <Toolbar isStatic>
        <ToolbarContent alignItems="center">
          <Which pod={pod} container={container} all={all} controls={c} />
          <ToolbarItem>
            <FormSelect value={c.tail} onChange={(_, v) => c.setTail(v)} aria-label={t('logs.lines')}>
              {tails.map((n) => (
                <FormSelectOption key={n} value={String(n)} label={n < 0 ? t('logs.allLines') : t('logs.lastLines', { count: n })} />
              ))}
            </FormSelect>
          </ToolbarItem>
          <ToolbarItem>
            <FormSelect value={c.since} onChange={(_, v) => c.setSince(v)} aria-label={t('logs.since')}>
              {sinces.map((n) => (
                <FormSelectOption key={n} value={String(n)} label={n === 0 ? t('logs.anyTime') : t('logs.minutes', { count: n / 60 })} />
              ))}
            </FormSelect>
          </ToolbarItem>
          <ToolbarItem align={{ default: 'alignEnd' }}>
            <Button variant="secondary" component="a" href={download} isDisabled={!download} download>
              {t('logs.download')}
            </Button>
          </ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      <Toolbar isStatic>
        <ToolbarContent alignItems="center">
          <Find controls={c} />
          <ToolbarGroup variant="action-group" align={{ default: 'alignEnd' }} alignItems="center">
            <Flag id="log-follow" label={t('logs.follow')} on={c.follow && !c.previous} off={c.previous} set={c.setFollow} />
            <Flag id="log-stamps" label={t('logs.timestamps')} on={c.stamps} set={c.setStamps} />
            <Flag id="log-wrap" label={t('logs.wrap')} on={c.wrap} set={c.setWrap} />
            <Flag id="log-previous" label={t('logs.previous')} on={c.previous} set={c.setPrevious} />
          </ToolbarGroup>
        </ToolbarContent>
      </Toolbar>
    </>
  );
}

/** Container, and this pod or all pods of its workload. */
function Which({ pod, container, all, controls: c }: Omit<ControlsProps, 'download'>) {
  const { t } = useTranslation();
  const containers = pod?.containers ?? [];
  return (
    <>
      {pod?.workload && (
        <ToolbarItem>
          <FormSelect value={c.workload} onChange={(_, v) => c.setWorkload(v)} aria-label={t('logs.scope')}>
            <FormSelectOption value="" label={t('logs.thisPod')} />
            <FormSelectOption value={pod.workload} label={t('logs.allPods', { workload: pod.workload })} />
          </FormSelect>
        </ToolbarItem>
      )}
      <ToolbarItem>
        <FormSelect value={container} onChange={(_, v) => c.setContainer(v)} aria-label={t('logs.container')}>
          {(containers.length > 1 || c.workload || container === all) && <FormSelectOption value={all} label={t('logs.allContainers')} />}
          {containers.map((x) => (
            <FormSelectOption key={x.name} value={x.name} label={x.kind === 'container' ? x.name : `${x.name} (${t(`container.kinds.${x.kind}`)})`} />
          ))}
        </FormSelect>
      </ToolbarItem>
    </>
  );
}

/** Search: text or a regular expression, in all lines or leaving the others out. */
function Find({ controls: c }: { controls: Controls }) {
  const { t } = useTranslation();
  return (
    <ToolbarGroup variant="filter-group" alignItems="center">
      <ToolbarItem>
        <Search value={c.search} onChange={c.setSearch} label={t('logs.search')} />
      </ToolbarItem>
      <ToolbarItem>
        <ToggleGroup aria-label={t('logs.searchOptions')} isCompact>
          <ToggleGroupItem text="Aa" aria-label={t('logs.matchCase')} buttonId="log-case" isSelected={c.matchCase} onChange={(_, on) => c.setMatchCase(on)} />
          <ToggleGroupItem text=".*" aria-label={t('logs.regex')} buttonId="log-regex" isSelected={c.regex} onChange={(_, on) => c.setRegex(on)} />
        </ToggleGroup>
      </ToolbarItem>
      <Flag id="log-only" label={t('logs.onlyMatches')} on={c.only} off={!c.search} set={c.setOnly} />
    </ToolbarGroup>
  );
}

function Flag({ id, label, on, off, set }: { id: string; label: string; on: boolean; off?: boolean; set: (v: boolean) => void }) {
  return (
    <ToolbarItem alignSelf="center">
      <Switch id={id} label={label} isChecked={on} isDisabled={off} onChange={(_, v) => set(v)} />
    </ToolbarItem>
  );
}
