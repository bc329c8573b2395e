import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { closePages, cluster, launch, look, open, signIn, site, variants } from './site';

const { console: served, tokens } = site();
let browser: Browser;
let pod = '';

beforeAll(async () => {
  browser = await launch();
  const { page } = await open(browser, served.url);
  await signIn(page, tokens.admin);
  await page.goto(`/clusters/${cluster}/pods`);
  pod = (await page.locator('table tbody a').first().getAttribute('href')) ?? '';
});

afterEach(() => closePages(browser));
afterAll(() => browser?.close());

describe('sign-in', () => {
  test('a wrong token is refused with a remedy', async () => {
    const { page } = await open(browser, served.url);
    await page.goto('/');
    await page.fill('#token', 'guess');
    await page.click('button[type=submit]');
    await expect.poll(() => page.getByRole('alert').innerText(), { timeout: 30_000 }).toContain('kubectl create token');
  });

  test('signing out ends the session', async () => {
    const { page } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.getByRole('button', { name: /Account of/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.waitForSelector('#token');
    expect((await page.request.get('/api/v1/clusters')).status()).toBe(401);
  });
});

describe('a viewer', () => {
  test('sees KubeEdge read-only with the reason', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`/clusters/${cluster}/kubeedge`);
    await page.getByText('You see this page read-only').waitFor();
    expect(await page.locator('#kubeedge-toggle').isDisabled()).toBe(true);
    const answer = await page.request.delete(`/api/v1/clusters/${cluster}/kubeedge`, { headers: { Origin: served.url } });
    expect(answer.status()).toBe(403);
    expect(errors).toEqual([]);
  });
});

describe('what a page needs', () => {
  test('is on its way before the first script runs, and is asked for once', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`/clusters/${cluster}/kubeedge`);
    await page.getByText('You see this page read-only').waitFor();
    const asked = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .map((e) => ({ path: new URL(e.name).pathname, by: (e as PerformanceResourceTiming).initiatorType })),
    );
    const api = `/api/v1/clusters/${cluster}`;
    for (const path of ['/api/v1/session', `${api}/kubeedge`, `${api}/rights`]) {
      expect(asked.filter((a) => a.path === path).map((a) => a.by), path).toEqual(['link']);
    }
    expect(asked.find((a) => a.path.startsWith('/assets/'))?.path).toMatch(/\/kubeedge-/);
    expect(errors).toEqual([]);
  });
});

describe('a page whose file does not come', () => {
  test('says so, and shows itself when tried again', async () => {
    const { page } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.route('**/assets/nodes-*.js', (r) => r.abort());
    await page.goto(`/clusters/${cluster}/nodes`);
    await page.getByText('This could not be loaded').waitFor();
    expect(await page.getByRole('navigation', { name: 'Main navigation' }).isVisible()).toBe(true);
    await page.unroute('**/assets/nodes-*.js');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.waitForSelector('table');
  });
});

describe('logs', () => {
  test('arrive, go on by themselves and can be searched', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(pod);
    await page.getByRole('link', { name: /^Logs of/ }).first().click();
    const rows = page.locator('.ew-log-row');
    await rows.first().waitFor();
    const before = await rows.last().innerText();
    await expect.poll(() => rows.last().innerText(), { timeout: 30_000 }).not.toBe(before);
    const word = before.split(/\s+/)[0] ?? '';
    await page.getByPlaceholder('Search in the log').fill(word);
    await page.locator('.ew-log mark').first().waitFor();
    expect(errors).toEqual([]);
  });
});

describe('the join wizard', () => {
  test('makes a code, shows the line without the code in a URL, and follows the phases', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.admin);
    await page.goto(`/clusters/${cluster}/join`);
    await page.fill('#join-nodeName', 'Not A Name');
    await page.getByRole('button', { name: 'Next' }).click();
    await expect.poll(() => page.locator('#join-nodeName-help').innerText(), { timeout: 30_000 }).toContain('lower-case');
    const name = `ui-test-${Date.now().toString(36)}`;
    await page.fill('#join-nodeName', name);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('The code is good for').waitFor();
    await page.getByRole('button', { name: 'Watch it arrive' }).click();
    await page.getByText('Waiting for the device').waitFor();
    const enrollment = new URL(page.url()).searchParams.get('enrollment') ?? '';
    const answer = await page.request.patch(`/api/v1/clusters/${cluster}/enrollments/${enrollment}`, { headers: { Origin: served.url }, data: { state: 'Revoked' } });
    expect(answer.status()).toBe(200);
    expect(errors.filter((e) => !e.includes('422'))).toEqual([]);
  });
});

describe('accessibility', () => {
  const paths = () => ['/clusters', `/clusters/${cluster}/nodes`, `/clusters/${cluster}/pods`, pod, `${pod}/logs`, `/clusters/${cluster}/kubeedge?tab=status`, `/clusters/${cluster}/kubeedge?tab=settings`, `/clusters/${cluster}/kubeedge?tab=firewall`, `/clusters/${cluster}/join`, `/clusters/${cluster}/join?many`, `/clusters/${cluster}/nodes/jetson-xavier`, `/clusters/${cluster}/nodes/jetson-xavier?tab=metadata`];
  for (const { language, theme } of variants) {
    test(`axe finds nothing (${language}, ${theme})`, async () => {
      const { page } = await open(browser, served.url, language, theme);
      await page.goto('/');
      await page.waitForSelector('#token');
      const found: string[] = [];
      found.push(...(await look(page, '/sign-in')));
      await signIn(page, tokens.admin);
      for (const path of paths()) {
        await page.goto(path);
        await page.waitForSelector('h1');
        await page.waitForSelector('[role=progressbar][class*=spinner]', { state: 'detached' });
        await page.waitForTimeout(500);
        found.push(...(await look(page, path)));
      }
      expect(found).toEqual([]);
    });
  }
});
