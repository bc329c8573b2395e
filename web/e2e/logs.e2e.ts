import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { closePages, cluster, launch, look, open, signIn, site, variants } from './site';

const { console: served, tokens, kubectl: program, kubeconfig } = site() as ReturnType<typeof site> & { kubectl: string; kubeconfig: string };
const pictures = process.env.EDGEWAY_PICTURES;
let browser: Browser;
let image = '';

function kubectl(args: string[], input = ''): string {
  return execFileSync(program, ['--kubeconfig', kubeconfig, ...args], { input, encoding: 'utf8', maxBuffer: 1 << 28 });
}

function link(host: string, state: 'up' | 'down'): void {
  execFileSync('../bin/sandbox', ['link', host, state]);
}

/** A pod of a few shell lines on an edge node. */
function makePod(name: string, script: string, node = 'jetson-xavier'): string {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: name } },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 0,
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'main', image, command: ['sh', '-c', script] }],
    },
  };
  kubectl(['apply', '-f', '-'], JSON.stringify(pod));
  return `/clusters/${cluster}/pods/default/${name}`;
}

const made = ['ui-hostile', 'ui-count', 'ui-silent', 'ui-many'];

beforeAll(async () => {
  browser = await launch();
  const { page } = await open(browser, served.url);
  await signIn(page, tokens.admin);
  image = kubectl(['get', 'deployment', 'hello-jetson-xavier', '-o', 'jsonpath={.spec.template.spec.containers[0].image}']);
  makePod('ui-hostile', `printf '\\033[31mred\\033[0m \\033]0;title\\007<script>window.evil=1</script><img src=x onerror=window.evil=2>\\n'; printf 'nul \\000 and \\377\\376\\n'; printf '\\033[2J\\033[1;1H\\rcursor\\n'; head -c 1048576 /dev/zero | tr '\\0' x; echo; echo the end; sleep 3600`);
  makePod('ui-count', 'i=0; while true; do i=$((i+1)); echo "count $i"; sleep 0.1; done');
  makePod('ui-silent', 'sleep 3600');
  makePod('ui-many', 'i=0; while [ $i -lt 120000 ]; do echo "entry $i"; i=$((i+1)); done; sleep 3600', 'raspberrypi');
  kubectl(['wait', '--for=condition=Ready', '--timeout=180s', 'pod', ...made]);
}, 300_000);

afterAll(async () => {
  await browser?.close();
  for (const host of ['jetson-xavier', 'raspberrypi']) link(host, 'up');
  kubectl(['delete', 'pod', '--ignore-not-found', '--force', '--grace-period=0', ...made]);
});

afterEach(() => closePages(browser));

async function visit(path: string, token = tokens.viewer): Promise<{ page: Page; errors: string[] }> {
  const { page, errors } = await open(browser, served.url);
  await signIn(page, token);
  await page.goto(path);
  return { page, errors };
}

const rows = (page: Page) => page.locator('.ew-log-row');
const status = (page: Page) => page.locator('[data-status]').getAttribute('data-status');
const path = (pod: string, query = '') => `/clusters/${cluster}/pods/default/${pod}/logs${query}`;

async function picture(page: Page, name: string): Promise<void> {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: `${pictures}/${name}.png` });
}

describe('hostile logs', () => {
  test('are text and colors, and nothing else', async () => {
    const { page, errors } = await visit(path('ui-hostile', '?tail=-1'));
    await page.getByText('the end').waitFor();
    const first = rows(page).first();
    expect(await first.innerText()).toBe('red <script>window.evil=1</script><img src=x onerror=window.evil=2>');
    expect(await first.locator('.sgr-f1').innerText()).toBe('red');
    expect(await rows(page).nth(1).innerText()).toBe('nul \u2400 and \ufffd');
    expect(await rows(page).nth(2).innerText()).toBe('\u240dcursor');
    expect(await page.evaluate('window.evil')).toBeUndefined();
    expect(await page.title()).not.toContain('title');
    await page.getByRole('button', { name: /more characters/ }).click();
    expect((await page.locator('.ew-log-whole').innerText()).length).toBe(1 << 20);
    await picture(page, 'logs-whole-line');
    await page.getByRole('button', { name: 'Close' }).last().click();
    await picture(page, 'logs-hostile');
    expect(errors).toEqual([]);
  });
});

describe('searching', () => {
  test('finds patterns, leaves other lines out, and survives a pattern that never ends', async () => {
    const { page, errors } = await visit(path('ui-hostile', '?tail=-1'));
    await page.getByText('the end').waitFor();
    const search = page.getByPlaceholder('Search in the log');
    await page.getByRole('button', { name: 'Regular expression' }).click();
    await search.fill('^the\\s+\\w+$');
    await page.getByText('1 match', { exact: true }).waitFor();
    expect(await page.locator('.ew-log mark').innerText()).toBe('the end');
    await page.getByText('Matches only').click();
    await expect.poll(() => rows(page).count()).toBe(1);
    await search.fill('(x+x+)+y');
    await page.getByText('This pattern takes too long').waitFor();
    await search.fill('(');
    await page.getByText('Not a pattern').waitFor();
    await search.fill('cursor');
    await page.getByText('1 match', { exact: true }).waitFor();
    expect(errors).toEqual([]);
  });
});

describe('much', () => {
  test('100,000 lines are scrolled smoothly', async () => {
    const { page, errors } = await visit(path('ui-many', '?tail=100000'));
    await expect.poll(() => page.getByText(/^[\d,]+ lines$/).innerText(), { timeout: 60_000 }).toMatch(/^100,?000 lines$/);
    const box = page.getByRole('log');
    // Frames are drawn while the whole log passes by; a page that hangs draws few.
    const frames = await box.evaluate(async (el: HTMLElement) => {
      let n = 0;
      const end = performance.now() + 2000;
      while (performance.now() < end) {
        el.scrollTop = (el.scrollHeight * (n % 50)) / 50;
        await new Promise(requestAnimationFrame);
        n++;
      }
      return n;
    });
    expect(frames).toBeGreaterThan(10);
    await box.evaluate((el: HTMLElement) => (el.scrollTop = 0));
    await page.getByText('Paused').waitFor();
    await page.getByText('entry 20000', { exact: true }).waitFor();
    expect(await rows(page).count()).toBeLessThan(200);
    expect(errors).toEqual([]);
  });

  test('a pod that writes 10 MB/s leaves the page alive and the memory bounded', async () => {
    // Some 10 MB/s from the word go, for half a minute.
    makePod('ui-fast', 'i=0; while [ $i -lt 16384 ]; do i=$((i+1)); echo "$i 0123456789012345678901234567890123456789012345678901234567"; done > /tmp/block; echo ready; until [ -e /tmp/go ]; do sleep 0.1; done; n=0; while [ $n -lt 300 ]; do n=$((n+1)); cat /tmp/block; sleep 0.1; done; sleep 3600');
    onTestFinished(() => void kubectl(['delete', 'pod', '--force', '--grace-period=0', 'ui-fast']));
    kubectl(['wait', '--for=condition=Ready', '--timeout=180s', 'pod', 'ui-fast']);
    const { page, errors } = await visit(path('ui-fast', '?tail=100'));
    await page.getByText('ready', { exact: true }).waitFor();
    kubectl(['exec', 'ui-fast', '--', 'touch', '/tmp/go']);
    await expect.poll(() => page.getByText(/older lines dropped/).count(), { timeout: 60_000 }).toBeGreaterThan(0);
    const started = Date.now();
    await page.getByRole('log').hover();
    await page.mouse.wheel(0, -4000);
    await page.getByText('Paused').waitFor();
    expect(Date.now() - started).toBeLessThan(10_000);
    await picture(page, 'logs-fast');
    expect(errors).toEqual([]);
  });
});

/** Numbers of all lines of the pod that counts, in the order in which the page shows them. */
async function counted(page: Page): Promise<number[]> {
  await page.waitForTimeout(3000);
  await page.getByRole('log').evaluate((el: HTMLElement) => el.scrollTo(0, 0));
  return page.evaluate(async () => {
    const out = new Map<number, number>();
    const el = document.querySelector('.ew-log') as HTMLElement;
    for (let top = 0; top < el.scrollHeight; top += 300) {
      el.scrollTop = top;
      await new Promise((r) => setTimeout(r, 60));
      for (const row of document.querySelectorAll('.ew-log-row')) {
        const n = /^count (\d+)$/.exec(row.textContent ?? '')?.[1];
        const at = Number(/translateY\((\d+)px\)/.exec((row as HTMLElement).style.transform)?.[1]);
        if (n) out.set(at, Number(n));
      }
    }
    return [...out.entries()].sort((a, b) => a[0] - b[0]).map(([, n]) => n);
  });
}

describe('a followed log', () => {
  test('of a container that is silent is not taken for a dead node', async () => {
    const { page } = await visit(path('ui-silent'));
    await page.getByText('The container has written nothing yet.').waitFor();
    expect(await status(page)).toBe('live');
  });

  test('tells a tunnel that is reset, goes on by itself, and loses and doubles nothing', async () => {
    const { page, errors } = await visit(path('ui-count', '?tail=5'));
    await rows(page).first().waitFor();
    const first = Number((await rows(page).first().innerText()).split(' ')[1]);
    execFileSync('../bin/sandbox', ['exec', 'jetson-xavier', '--', 'ss', '-K', 'state', 'established', '( dport = :31004 or dport = :10004 )']);
    const cut = Date.now();
    await expect.poll(() => status(page), { timeout: 10_000, interval: 50 }).toBe('interrupted');
    expect(Date.now() - cut).toBeLessThan(3000);
    await expect.poll(() => status(page), { timeout: 60_000 }).toBe('live');
    const seen = await counted(page);
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => first + i));
    expect(seen.length).toBeGreaterThan(20);
    expect(errors).toEqual([]);
  });

  test('tells a link that is cut, goes on by itself, and loses and doubles nothing', async () => {
    const { page, errors } = await visit(path('ui-count', '?tail=5'));
    await rows(page).first().waitFor();
    const first = Number((await rows(page).first().innerText()).split(' ')[1]);
    link('jetson-xavier', 'down');
    const cut = Date.now();
    await expect.poll(() => status(page), { timeout: 40_000, interval: 100 }).toBe('interrupted');
    const told = Date.now() - cut;
    expect(told).toBeLessThan(20_000);
    await page.getByText('The edge tunnel is down').waitFor();
    await picture(page, 'logs-tunnel-down');
    link('jetson-xavier', 'up');
    await expect.poll(() => status(page), { timeout: 60_000 }).toBe('live');
    const seen = await counted(page);
    expect(seen[0]).toBe(first);
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, i) => first + i));
    expect(errors).toEqual([]);
  });
});

describe('several logs', () => {
  test('of a workload come merged, each under its name', async () => {
    const pod = kubectl(['get', 'pods', '-l', 'app=hello,node=raspberrypi', '-o', 'jsonpath={.items[0].metadata.name}']);
    const { page, errors } = await visit(path(pod));
    await rows(page).first().waitFor();
    await page.getByLabel('Pods', { exact: true }).selectOption({ label: 'All pods of Deployment/hello-raspberrypi' });
    await page.locator('.ew-log-from-0').first().waitFor();
    expect(await rows(page).last().innerText()).toMatch(/hello \d+ from raspberrypi$/);
    expect(errors).toEqual([]);
  });
});

describe('a terminal', () => {
  const terminal = '/terminal';
  test('runs a shell through the tunnel, and ends with the session', async () => {
    const { page, errors } = await visit(`/clusters/${cluster}/pods/default/ui-silent`, tokens.admin);
    await page.getByRole('link', { name: 'Terminal in main' }).click();
    await page.getByText('Connected', { exact: true }).waitFor();
    await page.getByLabel('Terminal input').pressSequentially('echo $((6*7))-$(hostname)\n');
    await page.getByText('42-ui-silent').first().waitFor();
    await picture(page, 'terminal');
    await page.request.delete('/api/v1/session', { headers: { Origin: served.url } });
    await page.waitForSelector('#token');
    expect(errors).toEqual([]);
  });

  test('says that there is no such shell, and takes another', async () => {
    const { page, errors } = await visit(`/clusters/${cluster}/pods/default/ui-silent${terminal}?shell=bash`, tokens.admin);
    await page.getByText('The container has no such program').first().waitFor();
    await page.getByLabel('Shell').selectOption('custom');
    await page.getByLabel('Command').fill('sh -c "echo own words; sleep 5"');
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByText('own words').first().waitFor();
    expect(errors).toEqual([]);
  });

  test('is refused to a viewer', async () => {
    const { page } = await visit(`/clusters/${cluster}/pods/default/ui-silent${terminal}`);
    await page.getByText('You may not run commands in this pod').waitFor();
  });
});

describe('accessibility', () => {
  const pages: [string, () => string][] = [
    ['pod', () => `/clusters/${cluster}/pods/default/ui-hostile`],
    ['logs', () => path('ui-hostile', '?tail=-1&timestamps=yes&search=the')],
    ['logs-all', () => path('ui-hostile', '?tail=-1&container=*&wrap=yes')],
    ['terminal', () => `/clusters/${cluster}/pods/default/ui-silent/terminal`],
    ['terminal-custom', () => `/clusters/${cluster}/pods/default/ui-silent/terminal?shell=custom`],
    ['terminal-none', () => `/clusters/${cluster}/pods/default/ui-silent/terminal?shell=bash`],
  ];
  for (const { language, theme } of variants) {
    test(`axe finds nothing (${language}, ${theme})`, async () => {
      const { page, errors } = await open(browser, served.url, language, theme);
      await signIn(page, tokens.admin);
      const found: string[] = [];
      for (const [name, to] of pages) {
        await page.goto(to());
        await page.waitForSelector('h1');
        await page.waitForSelector('[role=progressbar][class*=spinner]', { state: 'detached' });
        await page.waitForTimeout(1500);
        await picture(page, `${name}-${language}-${theme}`);
        found.push(...(await look(page, name)));
      }
      expect(found).toEqual([]);
      expect(errors).toEqual([]);
    });
  }
});
