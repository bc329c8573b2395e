import { Label, Tooltip } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '../api/client';

type Color = 'green' | 'red' | 'orange' | 'blue' | 'grey';
type LabelStatus = 'success' | 'danger' | 'warning' | 'info' | undefined;

const labelStatus: Record<Color, LabelStatus> = { green: 'success', red: 'danger', orange: 'warning', blue: 'info', grey: undefined };

function Tag({ color, text, tip }: { color: Color; text: string; tip?: string }) {
  const status = labelStatus[color];
  const label = (
    <Label color={status ? undefined : 'grey'} status={status} isCompact tabIndex={tip ? 0 : undefined}>
      {text}
    </Label>
  );
  return tip ? <Tooltip content={tip}>{label}</Tooltip> : label;
}

/** Ready, NotReady, Unknown or Joining, with the reason. */
export function NodeState({ node }: { node: Schemas['Node'] | Schemas['NodeDetail'] }) {
  const { t } = useTranslation();
  const color = ({ Ready: 'green', NotReady: 'red', Unknown: 'orange', Joining: 'blue' } as const)[node.state];
  const tip = node.state === 'Ready' ? undefined : [node.stateReason, node.stateMessage].filter(Boolean).join(': ');
  return (
    <>
      <Tag color={color} text={t(`node.states.${node.state}`)} tip={tip || undefined} />
      {!node.schedulable && (
        <>
          {' '}
          <Tag color="grey" text={t('node.cordoned')} />
        </>
      )}
    </>
  );
}

/** State of a node's tunnel. */
export function Tunnel({ node }: { node: Schemas['Node'] | Schemas['NodeDetail'] }) {
  const { t } = useTranslation();
  const color = ({ connected: 'green', notConnected: 'orange', lost: 'red', none: 'grey' } as const)[node.tunnel];
  return <Tag color={color} text={t(`node.tunnels.${node.tunnel}`)} tip={t(`node.tunnelTips.${node.tunnel}`)} />;
}

const goodPods = new Set(['Running', 'Succeeded', 'Completed']);
const waitingPods = new Set(['Pending', 'ContainerCreating', 'PodInitializing', 'SchedulingGated', 'Terminating']);
const initProgress = /^Init:\d+\/\d+$/;

/** Status of a pod: the usual words translated, the others as kubectl prints them. */
export function PodStatus({ status }: { status: string }) {
  const { t, i18n } = useTranslation();
  const key = `pod.states.${status}`;
  const waits = waitingPods.has(status) || initProgress.test(status);
  const color: Color = goodPods.has(status) ? 'green' : waits ? 'blue' : 'red';
  // A status such as "Init:0/1" holds the separator of namespaces.
  return <Tag color={color} text={/^[A-Za-z]+$/.test(status) && i18n.exists(key) ? t(key) : status} />;
}

/** State of a container. */
export function ContainerState({ state, reason }: { state: Schemas['Container']['state']; reason?: string }) {
  const { t } = useTranslation();
  const color = ({ running: 'green', waiting: 'orange', terminated: 'grey', unknown: 'grey' } as const)[state];
  return <Tag color={color} text={t(`container.states.${state}`)} tip={reason} />;
}

/** State of KubeEdge on a cluster. */
export function KubeEdgeState({ state }: { state: string | undefined }) {
  const { t } = useTranslation();
  const colors: Record<string, Color> = { Enabled: 'green', Degraded: 'orange', Failed: 'red', Interrupted: 'orange', Changing: 'blue', Foreign: 'orange' };
  const word = state ?? 'Unknown';
  return <Tag color={colors[word] ?? 'grey'} text={t(`kubeedge.states.${word}`)} />;
}
