import { Progress, Tooltip } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';
import { bytes, cores, percent, share } from '../lib/format';

type Usage = Schemas['Usage'];

/** A figure that is not there, with its cause. Never a zero. */
export function Unavailable({ usage }: { usage: Pick<Usage, 'cause' | 'message'> }) {
  const { t } = useTranslation();
  const cause = usage.cause ? t(`metrics.causes.${usage.cause}`, { defaultValue: usage.cause }) : '';
  return (
    <Tooltip content={[cause, usage.message].filter(Boolean).join(' — ')}>
      <span className="ew-muted" tabIndex={0}>
        {t('metrics.unavailable')}
      </span>
    </Tooltip>
  );
}

/** CPU in use, of a whole when it is known. */
export function Cpu({ usage, of }: { usage: Usage; of?: number }) {
  const { t, i18n } = useTranslation();
  if (!usage.available || usage.cpuNanoCores === undefined) return <Unavailable usage={usage} />;
  return <Bar text={t('metrics.cores', { value: cores(usage.cpuNanoCores, i18n.language) })} part={usage.cpuNanoCores} whole={of} name={t('metrics.cpu')} />;
}

/** Memory in use, of a whole when it is known. */
export function Memory({ usage, of }: { usage: Usage; of?: number }) {
  const { t, i18n } = useTranslation();
  if (!usage.available || usage.memoryBytes === undefined) return <Unavailable usage={usage} />;
  return <Bar text={bytes(usage.memoryBytes, i18n.language)} part={usage.memoryBytes} whole={of} name={t('metrics.memory')} />;
}

function Bar({ text, part, whole, name }: { text: string; part: number; whole?: number; name: string }) {
  const { i18n } = useTranslation();
  const value = whole === undefined ? undefined : share(part, whole);
  if (value === undefined) return <span className="ew-nowrap">{text}</span>;
  return (
    <div className="ew-usage">
      <span className="ew-nowrap">{`${text} · ${percent(value, i18n.language)}`}</span>
      <Progress
        aria-label={name}
        size="sm"
        measureLocation="none"
        value={Math.min(100, value * 100)}
        variant={value > 0.9 ? 'danger' : value > 0.75 ? 'warning' : undefined}
      />
    </div>
  );
}
