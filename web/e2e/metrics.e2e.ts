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
  await page.goto(`/clusters/${cluster}/pods?search=hello-jetson`);
  pod = (await page.locator('table tbody a').first().getAttribute('href')) ?? '';
});

afterEach(() => closePages(browser));
afterAll(() => browser?.close());

describe('monitoring', () => {
  test('a node has charts with a table beside each, and recent samples with every figure', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`/clusters/${cluster}/nodes/jetson-xavier?tab=monitoring`);
    const cpu = page.getByRole('grid', { name: 'CPU (cores): values' });
    await cpu.waitFor();
    await expect.poll(() => page.locator('.uplot canvas').count(), { timeout: 60_000 }).toBeGreaterThan(2);
    await expect.poll(() => cpu.locator('tbody tr').count(), { timeout: 60_000 }).toBeGreaterThan(1);
    const recent = page.getByRole('grid', { name: 'Most recent samples' });
    await recent.getByRole('rowheader', { name: 'CPU time', exact: true }).waitFor();
    for (const figure of ['CPU time', 'Working set', 'Swap', 'Received', 'Sent', 'Filesystem available', 'Filesystem capacity', 'Filesystem used', 'Disk read', 'Disk operations']) {
      expect(await recent.getByRole('rowheader', { name: figure, exact: true }).count(), figure).toBe(1);
    }
    await page.getByRole('button', { name: '1 hour' }).click();
    await expect.poll(() => page.url()).toContain('range=3600');
    expect(await page.getByRole('button', { name: '24 hours' }).count()).toBe(0);
    expect(errors).toEqual([]);
  });

  test('a figure that is not reported is unavailable with its cause, never zero', async () => {
    const { page } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`${pod}?tab=monitoring&of=pod`);
    const swap = page.getByRole('grid', { name: 'Most recent samples' }).getByRole('row', { name: /Disk reads/ });
    await swap.waitFor();
    const text = await swap.innerText();
    if (text.includes('unavailable')) {
      await swap.getByText('unavailable').first().hover();
      await page.getByText(/Not reported by the node/).first().waitFor();
    } else {
      expect(text).toMatch(/\d/); // this kernel counts
    }
  });

  test('a pod shows each of its containers and the whole', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`${pod}?tab=monitoring`);
    const choice = page.getByLabel('Show', { exact: true });
    await choice.waitFor();
    await page.getByRole('grid', { name: 'Memory (bytes): values' }).waitFor();
    await choice.selectOption('pod');
    await expect.poll(() => page.url()).toContain('of=pod');
    await page.getByRole('grid', { name: 'Most recent samples' }).waitFor();
    expect(errors).toEqual([]);
  });

  test('all nodes have their trend', async () => {
    const { page, errors } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`/clusters/${cluster}/nodes`);
    await page.getByRole('button', { name: 'Trends' }).click();
    const rows = page.getByRole('region', { name: 'Trends of nodes' }).getByRole('listitem');
    await expect.poll(() => rows.count(), { timeout: 60_000 }).toBeGreaterThan(1);
    await expect.poll(() => page.locator('.ew-spark path[d^=M]').count(), { timeout: 60_000 }).toBeGreaterThan(1);
    // A viewer may not list enrollments, and the page goes on without them.
    expect(errors.filter((e) => !e.includes('status of 403'))).toEqual([]);
  });
});

describe('accessibility of monitoring', () => {
  const paths = () => [`/clusters/${cluster}/nodes?view=trends`, `/clusters/${cluster}/nodes/jetson-xavier?tab=monitoring`, `${pod}?tab=monitoring`];
  for (const { language, theme } of variants) {
    test(`axe finds nothing (${language}, ${theme})`, async () => {
      const { page } = await open(browser, served.url, language, theme);
      await signIn(page, tokens.viewer);
      const found: string[] = [];
      for (const path of paths()) {
        await page.goto(path);
        await page.waitForSelector('.ew-spark, .uplot canvas');
        await page.waitForTimeout(500);
        found.push(...(await look(page, path)));
        if (process.env.EDGEWAY_SHOTS) {
          await page.screenshot({ path: `${process.env.EDGEWAY_SHOTS}/${paths().indexOf(path)}-${language}-${theme}.png`, fullPage: true });
        }
      }
      expect(found).toEqual([]);
    });
  }
});
