import { test } from 'vitest';
import { cluster, launch, open, signIn, site } from './site';

// How long the browser takes from the click on a container's log to the first line
// of it, in milliseconds.
test('the first line after the click', async () => {
  const { console: served, tokens } = site();
  const browser = await launch();
  try {
    const { page } = await open(browser, served.url);
    await signIn(page, tokens.viewer);
    await page.goto(`/clusters/${cluster}/pods`);
    await page.locator('table tbody a').first().click();
    await page.getByRole('link', { name: /^Logs of/ }).first().waitFor();
    const ms = await page.evaluate(async () => {
      const link = [...document.querySelectorAll('a')].find((a) => a.getAttribute('aria-label')?.startsWith('Logs of')) as HTMLElement;
      const start = performance.now();
      link.click();
      while (!document.querySelector('.ew-log-row')) await new Promise(requestAnimationFrame);
      return performance.now() - start;
    });
    process.stdout.write(`\nfigures ${JSON.stringify({ 'log-first-line': ms })}\n`);
  } finally {
    await browser.close();
  }
});
