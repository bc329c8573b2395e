import { test } from 'vitest';
import en from '../src/locales/en.json';
import { disable, kubeedge, restore, review } from './kubeedge';
import { cluster, launch, open, signIn, site } from './site';

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
      const session = await page.context().storageState();
      const fresh = await (await browser.newContext({ ignoreHTTPSErrors: true, baseURL: served.url, storageState: { ...session, origins: [] } })).newPage();
      await fresh.goto(`/clusters/${cluster}/kubeedge`, { waitUntil: 'commit' });
      // The page's own clock began with the navigation.
      const form = await fresh.evaluate(async (enable) => {
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
      await review(fresh, before.settings);
      await fresh.getByRole('dialog').getByRole('button', { name: en.kubeedge.enable }).click();
      const clicked = Date.now();
      await fresh.getByText(en.kubeedge.done.enable).waitFor({ timeout: 180_000 });
      const up = (Date.now() - clicked) / 1000;
      process.stdout.write(`\nfigures ${JSON.stringify({ 'enable-click-available': up, 'settings-form-usable': form })}\n`);
    } finally {
      await restore(page.request, cluster, before);
    }
  } finally {
    await browser.close();
  }
});
