import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import en from '../src/locales/en.json';
import zh from '../src/locales/zh.json';
import { disable, headers, kubeedge, path as pathOf, restore, review, type KubeEdge } from './kubeedge';
import { cluster, launch, look, open, signIn, site, variants } from './site';

/*
 * Switches KubeEdge off and on again in a browser. It comes after all other browser
 * tests, because the edge nodes lose their connection meanwhile, and leaves KubeEdge as
 * it found it.
 */

const { console: served, tokens } = site();
const texts = { en, zh } as const;

let browser: Browser;
let admin: { page: Page; errors: string[] };
let before: KubeEdge;

const path = () => pathOf(cluster);

async function state(page: Page): Promise<string> {
  return (await kubeedge(page.request, cluster)).state;
}

/** Dialogs and sections fade in before axe looks. */
async function settledLook(page: Page, where: string): Promise<string[]> {
  await page.waitForTimeout(400);
  return look(page, where);
}

beforeAll(async () => {
  browser = await launch();
  admin = await open(browser, served.url);
  await signIn(admin.page, tokens.admin);
  before = await kubeedge(admin.page.request, cluster);
  expect(before.settings, 'KubeEdge is enabled before these tests').toBeTruthy();
  await disable(admin.page.request, cluster);
}, 300_000);

afterAll(async () => {
  await restore(admin.page.request, cluster, before);
  await browser.close();
}, 300_000);

describe('while KubeEdge is off', () => {
  test('a viewer may not switch it on', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`/clusters/${cluster}/kubeedge`);
    await page.getByText(en.kubeedge.readOnly).waitFor();
    expect(await page.getByRole('button', { name: en.kubeedge.enable }).count()).toBe(0);
    expect(await page.locator('#kubeedge-toggle:not([disabled])').count()).toBe(0);
    for (const call of [
      page.request.put(path(), { headers, data: before.settings }),
      page.request.post(`${path()}/plan`, { headers, data: before.settings }),
      page.request.post(`${path()}/check`, { headers }),
    ]) {
      expect((await call).status()).toBe(403);
    }
    expect(errors).toEqual([]);
    await page.context().close();
  });

  for (const { language, theme } of variants) {
    test(`axe finds nothing from the empty page to the plan (${language}, ${theme})`, async () => {
      const t = texts[language];
      const { page } = await open(browser, served.url, language, theme);
      await signIn(page, tokens.admin);
      await page.goto(`/clusters/${cluster}/kubeedge`);
      const button = page.getByRole('button', { name: t.kubeedge.enable });
      await button.waitFor();
      const found = await settledLook(page, 'off');
      await button.click();
      await page.locator('#field-ha').waitFor();
      await page.getByRole('button', { name: t.settings.groups.advanced }).click();
      found.push(...(await settledLook(page, 'form')));
      await page.fill('#field-cloudHub-https-port', '31000');
      await page.getByRole('button', { name: t.settings.reviewEnable }).click();
      await page.getByRole('alert').first().waitFor();
      found.push(...(await settledLook(page, 'refused')));
      await page.fill('#field-cloudHub-https-port', '31002');
      await page.getByRole('button', { name: t.settings.reviewEnable }).click();
      await page.getByRole('dialog').waitFor();
      found.push(...(await settledLook(page, 'plan')));
      expect(found).toEqual([]);
      await page.context().close();
    });
  }
});

describe('an administrator', () => {
  test('enables it with NodePort, follows the progress and is told which ports to open', async () => {
    const { page, errors } = admin;
    await page.goto(`/clusters/${cluster}/kubeedge`);
    await page.getByRole('button', { name: en.kubeedge.enable }).click();

    // The defaults follow the service type, there and back.
    const port = (name: string) => page.inputValue(`#field-${name}`);
    await page.locator('#field-serviceType').waitFor();
    await expect.poll(() => port('cloudHub-webSocket-port')).toBe('31000');
    await page.selectOption('#field-serviceType', 'LoadBalancer');
    await expect.poll(() => port('cloudHub-webSocket-port')).toBe('10000');
    expect(await port('cloudStream-tunnelPort')).toBe('10004');
    await page.fill('#field-cloudStream-tunnelPort', '31904'); // a chosen port stays
    await page.selectOption('#field-serviceType', 'NodePort');
    await expect.poll(() => port('cloudHub-https-port')).toBe('31002');
    expect(await port('cloudStream-tunnelPort')).toBe('31904');
    await page.fill('#field-cloudStream-tunnelPort', '31004');

    await review(page, before.settings);
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('button', { name: en.kubeedge.enable }).click();

    await page.getByText(en.kubeedge.running.enable).waitFor();
    const found: string[] = [];
    for (const { language, theme } of variants) found.push(...(await lookAtProgress(language, theme)));
    await page.getByText(en.kubeedge.done.enable).waitFor({ timeout: 180_000 });
    for (const step of ['preflight', 'release', 'cloudcore', 'edgeWatcher', 'iptablesOperator']) {
      expect(await page.locator(`#step-${step}`).count(), step).toBe(1);
    }
    await page.getByText(en.firewall.title).first().waitFor();
    const rows = await page.getByRole('table', { name: en.firewall.title }).innerText();
    for (const number of ['31000', '31002', '31004']) expect(rows).toContain(number);
    expect(rows).not.toContain('31003');
    await page.getByText(en.firewall.closedTitle.replace('{{port}}', '31003')).waitFor();
    expect(found).toEqual([]);
    expect(errors.filter((e) => !e.includes('status of 4'))).toEqual([]);
    expect(await state(page)).toBe('Enabled');
  });

  test('sees from the console whether the ports are open', async () => {
    const { page, errors } = admin;
    await page.goto(`/clusters/${cluster}/kubeedge?tab=firewall`);
    await page.getByRole('button', { name: en.portcheck.now }).click();
    const results = page.getByRole('table', { name: en.portcheck.results });
    await results.waitFor();
    expect(await results.getByText(en.portcheck.outcomes.Open, { exact: true }).count(), await results.innerText()).toBe(3);
    expect(errors.filter((e) => !e.includes('status of 4'))).toEqual([]);
  });
});

/** Opens the page of a running operation as somebody would who comes back to it. */
async function lookAtProgress(language: 'en' | 'zh', theme: 'light' | 'dark'): Promise<string[]> {
  const { page } = await open(browser, served.url, language, theme);
  await signIn(page, tokens.admin);
  await page.goto(`/clusters/${cluster}/kubeedge`);
  const follow = page.getByRole('button', { name: texts[language].kubeedge.follow });
  // A fast machine is done before the last of the four is there.
  const running = await follow.waitFor({ timeout: 5_000 }).then(
    () => true,
    () => false,
  );
  if (running) {
    await follow.click();
    await page.locator('#step-preflight').waitFor();
  }
  const found = await settledLook(page, `progress (${language}, ${theme})`);
  await page.context().close();
  return found;
}

describe('while KubeEdge is on', () => {
  test('a viewer sees the settings and may not change them', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`/clusters/${cluster}/kubeedge?tab=settings`);
    await page.getByText(en.kubeedge.readOnly).waitFor();
    await page.locator('#field-cloudHub-nodeLimit').waitFor();
    expect(await page.locator('form input:not([disabled]), form select:not([disabled])').count()).toBe(0);
    expect(await page.getByRole('button', { name: en.settings.review }).count()).toBe(0);
    await page.goto(`/clusters/${cluster}/kubeedge?tab=firewall`);
    await page.getByText(en.firewall.title).first().waitFor();
    expect(await page.getByRole('button', { name: en.portcheck.now }).count()).toBe(0);
    expect(errors).toEqual([]);
    await page.context().close();
  });

  for (const { language, theme } of variants) {
    test(`axe finds nothing on ports, their check and the way out (${language}, ${theme})`, async () => {
      const t = texts[language];
      const { page } = await open(browser, served.url, language, theme);
      await signIn(page, tokens.admin);
      await page.goto(`/clusters/${cluster}/kubeedge?tab=firewall`);
      await page.getByRole('button', { name: t.portcheck.now }).click();
      // More checks in a row than the console allows are refused, which is shown as well.
      await page.getByRole('table', { name: t.portcheck.results }).or(page.locator('#kubeedge-tab .pf-m-danger')).first().waitFor();
      await page.getByRole('button', { name: t.firewall.commands }).click();
      const found = await settledLook(page, 'ports');
      await page.locator('label[for=kubeedge-toggle]').click();
      await page.getByRole('dialog').waitFor();
      found.push(...(await settledLook(page, 'disable')));
      expect(found).toEqual([]);
      await page.context().close();
    });
  }

  test('an administrator disables it', async () => {
    const { page, errors } = admin;
    const enrollments = async () => {
      const answer = await page.request.get(`/api/v1/clusters/${cluster}/enrollments`);
      return { status: answer.status(), names: ((await answer.json()) as { name: string }[]).map(({ name }) => name) };
    };
    const recorded = await enrollments();
    await page.goto(`/clusters/${cluster}/kubeedge`);
    await page.locator('label[for=kubeedge-toggle]').click();
    const dialog = page.getByRole('dialog');
    const confirm = dialog.getByRole('button', { name: en.kubeedge.disable });
    expect(await confirm.isDisabled()).toBe(true);
    await dialog.locator('#disable-confirm').fill(cluster);
    await confirm.click();
    await page.getByText(en.kubeedge.done.disable).waitFor({ timeout: 180_000 });
    await page.getByText(en.kubeedge.off).waitFor();
    expect(await state(page)).toBe('Absent');
    // What is on record of edge nodes stays; where there is none, its type goes, too, and the list is empty.
    expect(await enrollments()).toEqual({ ...recorded, status: 200 });
    expect(errors.filter((e) => !e.includes('status of 4'))).toEqual([]);
  });
});
