import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Schemas } from '../src/api/client';
import { closePages, launch, look, open, signIn, site, variants } from './site';

const { console: served, tokens } = site();
const many = 10_000;
let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterEach(() => closePages(browser));
afterAll(() => browser?.close());

/** The console's real answer with its first node repeated: a site of that size does not fit a machine. */
async function multiply(page: Page): Promise<void> {
  await page.route(/\/nodes\?role=edge/, async (route) => {
    const list = (await (await route.fetch()).json()) as Schemas['NodeList'];
    const [first] = list.nodes;
    if (!first) throw new Error('the site has no edge node');
    list.nodes = Array.from({ length: many }, (_, i) => ({ ...first, name: `edge-${String(i).padStart(5, '0')}` }));
    await route.fulfill({ json: list });
  });
}

/** Scrolls the list as a wheel does; the time between two pictures, in ms. */
function wheel(page: Page, pictures: number): Promise<number[]> {
  return page.evaluate(async (pictures) => {
    let box: Element = document.querySelector('table') as Element;
    while (box.parentElement && !/auto|scroll/.test(getComputedStyle(box).overflowY)) box = box.parentElement;
    const times: number[] = [];
    let last = performance.now();
    for (let i = 0; i < pictures; i++) {
      box.scrollTop += 100;
      await new Promise(requestAnimationFrame);
      times.push(performance.now() - last);
      last = performance.now();
    }
    return times;
  }, pictures);
}

/** Goes to the end, which moves a little while rows are seen for the first time. */
async function toEnd(page: Page): Promise<void> {
  await expect
    .poll(
      () =>
        page.evaluate(() => {
          let box: Element = document.querySelector('table') as Element;
          while (box.parentElement && !/auto|scroll/.test(getComputedStyle(box).overflowY)) box = box.parentElement;
          box.scrollTop = box.scrollHeight;
          return [...document.querySelectorAll('tbody a')].some((a) => a.textContent === 'edge-09999');
        }),
      { timeout: 30_000 },
    )
    .toBe(true);
}

test('ten thousand nodes scroll, sort and filter, with few rows in the document', async () => {
  const { page, errors } = await open(browser, served.url);
  await signIn(page, tokens.viewer);
  await multiply(page);
  await page.goto('/clusters/sandbox/nodes');
  await page.getByRole('link', { name: 'edge-00000' }).waitFor();
  const rows = page.locator('tbody tr:not([aria-hidden])');
  expect(await rows.count()).toBeLessThan(60);
  expect(await page.locator('table').getAttribute('aria-rowcount')).toBe(String(many + 1));
  const times = (await wheel(page, 200)).sort((a, b) => a - b);
  console.log(`10,000 rows: a picture every ${times[100]?.toFixed(0)} ms, 95 % within ${times[190]?.toFixed(0)} ms`);
  await toEnd(page);
  expect(await rows.last().getAttribute('aria-rowindex')).toBe(String(many + 1));
  expect(await rows.count()).toBeLessThan(60);
  await page.getByRole('button', { name: 'Name' }).click();
  await page.getByLabel('Search name or address').fill('edge-0500');
  await expect.poll(() => rows.count()).toBe(10);
  expect(await look(page, 'ten thousand nodes')).toEqual([]);
  expect(errors.filter((e) => !e.includes('status of 403'))).toEqual([]); // the viewer may not see who is joining
});

const edited = 'jetson-xavier';

async function metadata(page: Page): Promise<Pick<Schemas['NodeDetail'], 'labels' | 'taints'>> {
  return (await (await page.request.get(`/api/v1/clusters/sandbox/nodes/${edited}`)).json()) as Schemas['NodeDetail'];
}

test.each(variants)('labels and taints are edited in $language, $theme', async ({ language, theme }) => {
  const { page, errors } = await open(browser, served.url, language, theme);
  await signIn(page, tokens.admin);
  await page.goto(`/clusters/sandbox/nodes/${edited}?tab=metadata`);
  const before = await metadata(page);
  const edit = page.getByRole('button', { name: language === 'en' ? 'Edit labels and taints' : '编辑标签和污点' });
  await edit.click();
  const dialog = page.getByRole('dialog');
  expect(await look(page, 'labels and taints')).toEqual([]);
  // Kubernetes' own are not in it, so one row is added to each list.
  const rows = dialog.locator('.ew-form-row');
  const had = await rows.count();
  await dialog.getByRole('button', { name: language === 'en' ? 'Add a label' : '添加标签' }).click();
  await expect.poll(() => rows.count()).toBe(had + 1);
  const n = Object.keys(before.labels).filter((key) => !/(^|\.)(kubernetes|k8s)\.io\//.test(key)).length;
  const row = rows.nth(n).getByRole('textbox');
  await row.first().fill('not a key');
  await row.last().fill('roof');
  const save = dialog.locator('button[type=submit]');
  await save.click();
  await page.locator('#metadata-labels-help').waitFor();
  expect(await look(page, 'a refused label')).toEqual([]);
  expect(await metadata(page)).toMatchObject({ labels: before.labels, taints: before.taints });
  await row.first().fill('shop.example/place');
  await save.click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByText('shop.example/place').first().waitFor();
  expect((await metadata(page)).labels['shop.example/place']).toBe('roof');
  await edit.click();
  await rows.nth(n).getByRole('button').click();
  await save.click();
  await dialog.waitFor({ state: 'detached' });
  expect((await metadata(page)).labels).toEqual(before.labels);
  expect(errors.filter((e) => !e.includes('status of 422'))).toEqual([]);
});
