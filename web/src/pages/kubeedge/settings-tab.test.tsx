import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import { MemoryRouter, Route, Routes } from 'react-router';
import { beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { startI18n } from '../../lib/i18n';
import { groups, set, type Settings } from './fields';
import { KubeEdge } from './kubeedge';

// The client of the API keeps the fetch that is there when it is loaded.
const { answers, asked } = vi.hoisted(() => {
  const answers: Record<string, unknown> = {};
  const asked: string[] = [];
  globalThis.fetch = (input) => {
    const path = new URL(input instanceof Request ? input.url : String(input)).pathname.replace('/api/v1/clusters/c1/', '');
    asked.push(path);
    return Promise.resolve(path in answers ? Response.json(answers[path]) : Response.json({ code: 'NotFound', message: path }, { status: 404 }));
  };
  return { answers, asked };
});

beforeAll(() => startI18n('en'));
beforeEach(() => {
  asked.length = 0;
});

/** Settings with a value in every field of the form, and a node limit to tell them apart. */
function settings(nodeLimit: number): Settings {
  const of = { switch: true, number: 1, list: [] } as Record<string, unknown>;
  const empty = { serviceType: 'NodePort', cluster: { advertiseAddress: [] } } as unknown as Settings;
  const filled = groups.flatMap((g) => g.fields).reduce((s, f) => (f.path === 'serviceType' ? s : deep(s, f.path, of[f.kind] ?? 'x')), empty);
  return set(filled, 'cloudHub.nodeLimit', nodeLimit);
}

/** set, which also makes what is on the way. */
function deep(s: Settings, path: string, value: unknown): Settings {
  const out = structuredClone(s);
  const keys = path.split('.');
  let at = out as unknown as Record<string, unknown>;
  for (const key of keys.slice(0, -1)) at = (at[key] ??= {}) as Record<string, unknown>;
  at[keys.at(-1) ?? ''] = value;
  return out;
}

function open(view: object, clusterAdmin: boolean) {
  const whole = { state: 'Enabled', reason: 'Deployed', revision: 3, addresses: [], certificates: [], components: [], firewall: [], notes: [], ports: [], ...view };
  Object.assign(answers, { kubeedge: whole, rights: { clusterAdmin }, 'kubeedge/defaults': { settings: settings(111), problems: [] } });
  render(
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false, refetchInterval: false } } })}>
      <MemoryRouter initialEntries={['/clusters/c1/kubeedge?tab=settings']}>
        <Routes>
          <Route path="/clusters/:cluster/kubeedge" element={<KubeEdge />} />
        </Routes>
      </MemoryRouter>
    </QueryClientProvider>,
  );
}

// The form is large and jsdom slow: a busy machine needs more than the second that is given.
vi.setConfig({ testTimeout: 60_000 });
const patience = { timeout: 20_000 };
const limit = () => screen.findByLabelText<HTMLInputElement>('CloudHub node limit', {}, patience);
const review = async () => (await screen.findByText('Review changes', {}, patience)).closest('button');
const broken = 'ConfigMap kubeedge-settings: revision "x"; enable KubeEdge with a complete set of settings, or disable it';

test('the settings in force are in the form, and nothing is to review', async () => {
  open({ settings: settings(222) }, true);
  expect((await limit()).value).toBe('222');
  expect((await review())?.disabled).toBe(true);
});

test('settings that cannot be read: an administrator is told why and may apply the defaults', async () => {
  open({ state: 'Failed', reason: 'Unreadable', unreadable: broken }, true);
  expect((await limit()).value).toBe('111');
  expect(screen.getByText(broken, { exact: false })).toBeTruthy();
  expect(screen.getByText(/replaces all settings in force/)).toBeTruthy();
  expect((await review())?.disabled).toBe(false);
});

test('settings that cannot be read: others are told why and see no defaults', async () => {
  open({ unreadable: broken }, false);
  expect(await screen.findByText(broken, {}, patience)).toBeTruthy();
  expect(screen.queryByText(/replaces all settings in force/)).toBeNull();
  expect(screen.queryByLabelText('CloudHub node limit')).toBeNull();
  expect(asked).not.toContain('kubeedge/defaults');
});

test('a first change that has stored no settings yet leaves no empty tab', async () => {
  open({ state: 'Changing', reason: 'ChangeRunning', revision: 0 }, true);
  expect(await screen.findByText('There are no settings to show yet', {}, patience)).toBeTruthy();
  expect(screen.queryByLabelText('CloudHub node limit')).toBeNull();
});
