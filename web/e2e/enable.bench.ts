import type { Page } from 'playwright-core';
import { test } from 'vitest';
import en from '../src/locales/en.json';
import { disable, kubeedge, restore, review } from './kubeedge';
import { cluster, launch, open, signIn, site } from './site';

/** Milliseconds from the address of the KubeEdge page to the form behind Enable. The page has nothing of the console yet. */
async function formUsable(page: Page): Promise<number> {
  await page.goto(`/clusters/${cluster}/kubeedge`, { waitUntil: 'commit' });
  // The page's own clock began with the navigation.
  return page.evaluate(async (enable) => {
    // Looks when the page changes and not at every frame, which would burden what is measured.
    const seen = <T>(look: () => T | undefined) =>
      new Promise<T>((resolve) => {
        const check = () => {
          const found = look();
          if (found === undefined) return;
          observer.disconnect();
          resolve(found);
        };
        const observer = new MutationObserver(check);
        observer.observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['disabled'] });
        check();
      });
    const button = await seen(() => [...document.querySelectorAll('button')].find((b) => b.textContent.trim() === enable));
    const field = seen(() => document.querySelector<HTMLSelectElement>('#field-serviceType:enabled') ?? undefined);
    button.click();
    await field;
    await new Promise(requestAnimationFrame);
    return performance.now();
  }, en.kubeedge.enable);
}

// How long an administrator waits for the settings form in a browser that has loaded
// nothing yet, in milliseconds, and from the click on Enable until KubeEdge is up, in
// seconds.
test('the settings form, and from the click until KubeEdge is up', async () => {
  const { console: served, tokens } = site();
  const browser = await launch();
  try {
    const { page } = await open(browser, served.url);
    await signIn(page, tokens.admin);
    const before = await kubeedge(page.request, cluster);
    if (before.state !== 'Enabled') throw new Error(`KubeEdge is ${before.state}, want Enabled`);
    await disable(page.request, cluster);
    try {
      // What disabling has set going, on nodes that share the processors with the browser,
      // is no part of the figures.
      await page.goto('about:blank');
      await page.waitForTimeout(10_000);
      const { cookies } = await page.context().storageState();
      const blank = async () => (await browser.newContext({ ignoreHTTPSErrors: true, baseURL: served.url, storageState: { cookies, origins: [] } })).newPage();
      // A new window keeps a process of the browser's own interface busy for about a second.
      const fresh = await blank();
      await fresh.waitForTimeout(5_000);
      const form = await formUsable(fresh);
      const opening = await blank();
      const meanwhile = await formUsable(opening);
      await opening.context().close();
      await review(fresh, before.settings);
      await fresh.getByRole('dialog').getByRole('button', { name: en.kubeedge.enable }).click();
      const clicked = Date.now();
      await fresh.getByText(en.kubeedge.done.enable).waitFor({ timeout: 180_000 });
      const up = (Date.now() - clicked) / 1000;
      process.stdout.write(`\nfigures ${JSON.stringify({ 'enable-click-available': up, 'settings-form-usable': form, 'settings-form-usable: new window': meanwhile })}\n`);
    } finally {
      await restore(page.request, cluster, before);
    }
  } finally {
    await browser.close();
  }
});
