import { expect } from 'vitest';
import type { APIRequestContext, Page } from 'playwright-core';
import en from '../src/locales/en.json';
import { site } from './site';

/** What the tests and measurements of switching KubeEdge on and off share. */

export const headers = { Origin: site().console.url };

export interface KubeEdge {
  state: string;
  settings: Record<string, unknown> & { images: Record<string, string>; cloudHub: { advertiseAddress: string[] } };
}

export const path = (cluster: string) => `/api/v1/clusters/${cluster}/kubeedge`;

export async function kubeedge(request: APIRequestContext, cluster: string): Promise<KubeEdge> {
  return (await (await request.get(path(cluster))).json()) as KubeEdge;
}

/** Waits for the end of an operation that was begun by the API. */
export async function ended(request: APIRequestContext, cluster: string, id: string): Promise<void> {
  let error: unknown = 'it does not end';
  for (const deadline = Date.now() + 240_000; Date.now() < deadline; ) {
    const state = (await (await request.get(`/api/v1/clusters/${cluster}/operations/${id}`)).json()) as { done: boolean; error?: unknown };
    error = state.error;
    if (state.done) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  expect(error).toBeUndefined();
}

export async function disable(request: APIRequestContext, cluster: string): Promise<void> {
  const answer = await request.delete(`${path(cluster)}?keepCA=true`, { headers });
  expect(answer.status()).toBe(202);
  await ended(request, cluster, ((await answer.json()) as { id: string }).id);
}

/** Fills what a sandbox needs beside the defaults, and goes on to the plan. */
export async function review(page: Page, settings: KubeEdge['settings']): Promise<void> {
  await page.fill('#field-cloudHub-advertiseAddress', settings.cloudHub.advertiseAddress.join(', '));
  await page.getByRole('button', { name: en.settings.groups.advanced }).click();
  for (const image of ['cloudcore', 'edgeWatcher', 'iptablesOperator', 'streamGate', 'probe']) {
    await page.fill(`#field-images-${image}`, settings.images[image] ?? '');
  }
  await page.getByRole('button', { name: en.settings.reviewEnable }).click();
  await page.getByRole('dialog').getByText(en.review.actions.Install).waitFor();
}

/** Puts KubeEdge back as it was. */
export async function restore(request: APIRequestContext, cluster: string, before: KubeEdge): Promise<void> {
  if ((await kubeedge(request, cluster)).state === 'Enabled') return;
  const answer = await request.put(path(cluster), { headers, data: before.settings });
  await ended(request, cluster, ((await answer.json()) as { id: string }).id);
}
