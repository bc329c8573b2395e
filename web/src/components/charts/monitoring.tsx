import { Alert, Card, CardBody, CardTitle, FormSelect, FormSelectOption, ToggleGroup, ToggleGroupItem, Toolbar, ToolbarContent, ToolbarItem } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../../api/client';
import { timeOfDay } from '../../lib/format';
import { useParam } from '../list-state';
import { Empty } from '../states';
import { inMemory, ranges } from './figures';
import { Histories } from './history';
import { Filesystems, Recent } from './recent';

/** The chosen time range in seconds, in the URL. */
export function useRange(): [number, (seconds: number) => void] {
  const [range, setRange] = useParam('range', '900');
  const seconds = ranges.includes(Number(range)) ? Number(range) : 900;
  return [seconds, (s) => setRange(String(s))];
}

/** Choice of the time range that all charts share. */
export function Range({ prometheus }: { prometheus: boolean }) {
  const { t } = useTranslation();
  const [range, setRange] = useRange();
  return (
    <ToggleGroup aria-label={t('monitoring.range')}>
      {ranges
        .filter((r) => prometheus || r <= inMemory)
        .map((r) => (
          <ToggleGroupItem key={r} buttonId={`range-${r}`} text={t(`monitoring.ranges.${r}`)} isSelected={range === r} onChange={() => setRange(r)} />
        ))}
    </ToggleGroup>
  );
}

/** Why there are no samples now, and how old the ones are that are shown. */
export function StateOf({ state }: { state: Schemas['State'] }) {
  const { t, i18n } = useTranslation();
  if (state.available) return null;
  const cause = t(`monitoring.causes.${state.cause ?? ''}`, { defaultValue: state.cause ?? '' });
  const since = state.succeeded && t('monitoring.asOf', { time: timeOfDay(Date.parse(state.succeeded), i18n.language) });
  return (
    <Alert component="p" variant="warning" isInline title={[cause, since].filter(Boolean).join(' · ')}>
      {state.message}
    </Alert>
  );
}

/** Charts, recent samples and filesystems of one of the objects. */
export function Monitoring({ objects, state, prometheus }: { objects: { key: string; label: string; object: Schemas['Object'] }[]; state: Schemas['State']; prometheus: boolean }) {
  const { t } = useTranslation();
  const [chosen, setChosen] = useParam('of', objects[0]?.key ?? '');
  const object = (objects.find((o) => o.key === chosen) ?? objects[0])?.object;
  return (
    <div className="ew-gap">
      <Toolbar>
        <ToolbarContent>
          {objects.length > 1 && (
            <ToolbarItem>
              <FormSelect value={chosen} onChange={(_, v) => setChosen(v)} aria-label={t('monitoring.of')}>
                {objects.map((o) => (
                  <FormSelectOption key={o.key} value={o.key} label={o.label} />
                ))}
              </FormSelect>
            </ToolbarItem>
          )}
          <ToolbarItem>
            <Range prometheus={prometheus} />
          </ToolbarItem>
        </ToolbarContent>
      </Toolbar>
      <StateOf state={state} />
      {!object || object.recent.length === 0 ? (
        <Empty title={t('monitoring.none')} body={t('monitoring.noneBody')} />
      ) : (
        <>
          {object.history && <Histories history={object.history} missing={object.unavailable} />}
          <Card>
            <CardTitle component="h2">{t('monitoring.recent')}</CardTitle>
            <CardBody>
              <Recent object={object} />
            </CardBody>
          </Card>
          <Card>
            <CardTitle component="h2">{t('monitoring.filesystems')}</CardTitle>
            <CardBody>
              <Filesystems object={object} />
            </CardBody>
          </Card>
        </>
      )}
    </div>
  );
}
