import { readFileSync } from 'node:fs';
import AxeBuilder from '@axe-core/playwright';
import { chromium, type Browser, type Page } from 'playwright-core';

/** What the sandbox says about itself. EDGEWAY_SITE may name another file. */
export interface Site {
  console: { url: string };
  tokens: { admin: string; viewer: string };
  hosts: { name: string; command: string[] }[];
}

export function site(): Site {
  return JSON.parse(readFileSync(process.env.EDGEWAY_SITE ?? '../.sandbox/site.json', 'utf8')) as Site;
}

/** The cluster that every site has; a site of `make up CLUSTERS=2` has another. */
export const cluster = 'sandbox';

const quiet = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: quiet });
}

/** A page that fails the test at an uncaught error or a violated content policy. */
export async function open(browser: Browser, base: string, language: 'en' | 'zh' = 'en', theme: 'light' | 'dark' = 'light'): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, baseURL: base, viewport: { width: 1400, height: 900 } });
  await context.addInitScript(`localStorage.setItem('edgeway.language', '${language}'); localStorage.setItem('edgeway.theme', '${theme}');`);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors: string[] = [];
  page.on('pageerror', (e) => errors.push(e.message));
  page.on('console', (m) => {
    if (m.type() === 'error' && !m.text().includes('status of 401')) errors.push(m.text());
  });
  return { page, errors };
}

export async function signIn(page: Page, token: string): Promise<void> {
  await page.goto('/');
  await page.fill('#token', token);
  await page.click('button[type=submit]');
  await page.waitForSelector('table');
}

/** Closes every page, so that what one test follows does not burden the next. */
export async function closePages(browser: Browser | undefined): Promise<void> {
  for (const context of browser?.contexts() ?? []) await context.close();
}

/** Languages and themes in which every page is looked at. */
export const variants = (['en', 'zh'] as const).flatMap((language) => (['light', 'dark'] as const).map((theme) => ({ language, theme })));

/**
 * What axe finds on the page as it is, one line for each rule. axe describes only what is
 * wrong, and works within the page: to put frames together it would open another one.
 */
export async function look(page: Page, where: string): Promise<string[]> {
  if (page.frames().length > 1) throw new Error(`${where} has frames, which axe would not look into`);
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ['violations'] }).analyze();
  return violations.map((v) => `${where}: ${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
}
