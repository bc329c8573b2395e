import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launch, look, open, signIn, site } from './site';

const { console: served, tokens, hosts } = site();
const run = promisify(execFile);
/** The edge host that the sandbox leaves unjoined. */
const device = 'orangepi';
const cluster = 'sandbox';
let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterAll(() => browser?.close());

/** Runs a line in a shell of the device; its output, whether it failed or not. */
async function paste(line: string): Promise<string> {
  const [program = '', ...args] = hosts.find((h) => h.name === device)?.command ?? [];
  return run(program, [...args, 'sh', '-c', line]).then(
    ({ stdout, stderr }) => stdout + stderr,
    (e: { stdout?: string; stderr?: string }) => `${e.stdout ?? ''}${e.stderr ?? ''}`,
  );
}

async function wizard(page: Page, name: string, address: string): Promise<string> {
  await page.goto(`/clusters/${cluster}/join`);
  await page.fill('#join-nodeName', name);
  await page.fill('#join-nodeIP', address);
  await page.getByRole('button', { name: 'Next' }).click();
  const line = page.getByRole('textbox', { name: 'Join command' });
  await line.first().waitFor();
  return line.first().inputValue();
}

/** Takes a node out by the console's own dialog. */
async function retire(page: Page, node: string): Promise<void> {
  await page.goto(`/clusters/${cluster}/nodes/${node}`);
  await page.getByRole('button', { name: 'Retire', exact: true }).click();
  const dialog = page.getByRole('dialog');
  const act = dialog.getByRole('button', { name: 'Retire', exact: true });
  await dialog.getByText(/pods? will be evicted/).waitFor();
  expect(await look(page, 'leave dialog')).toEqual([]);
  await page.fill('#leave-confirm', 'another');
  expect(await act.isDisabled()).toBe(true);
  await page.fill('#leave-confirm', node);
  await act.click();
  await dialog.getByText('edgectl leave').waitFor();
  expect((await page.request.get(`/api/v1/clusters/${cluster}/nodes/${node}`)).status()).toBe(404);
  await dialog.getByText('Close', { exact: true }).click();
  await page.waitForURL(new RegExp(`/clusters/${cluster}/nodes$`));
}

test('the printed line, pasted unchanged, takes the device to Verified', async () => {
  const { page, errors } = await open(browser, served.url);
  await signIn(page, tokens.admin);
  const line = await wizard(page, device, '192.168.100.3');
  const next = Date.now();
  await page.getByRole('button', { name: 'Show as a QR code' }).click();
  await page.getByRole('img', { name: 'Join command' }).waitFor();
  expect(await look(page, page.url())).toEqual([]);
  await page.getByRole('button', { name: 'Watch it arrive' }).click();
  const output = paste(line);
  await page.getByText(`${device} has joined`).waitFor();
  console.log(`Verified ${((Date.now() - next) / 1000).toFixed(1)} s after Next`);
  expect(await output).toContain('joining as orangepi');
  expect(page.url()).not.toContain('CODE');
  await retire(page, device);
  await paste('edgectl leave');
  expect(errors.filter((e) => !e.includes('404'))).toEqual([]);
});

test('a device that cannot join says why in the wizard, with the remedy', async () => {
  const { page, errors } = await open(browser, served.url);
  await signIn(page, tokens.admin);
  const line = await wizard(page, `ui-fails-${Date.now().toString(36)}`, '192.168.100.77');
  await page.getByRole('button', { name: 'Watch it arrive' }).click();
  await page.getByText('Waiting for the device').waitFor();
  await paste(`unshare -m sh -c 'mount -t tmpfs tmpfs /run/containerd; exec sh' <<'END'\n${line}\nEND`);
  await page.getByText('→ install and start containerd').waitFor();
  expect(await look(page, page.url())).toEqual([]);
  const enrollment = new URL(page.url()).searchParams.get('enrollment') ?? '';
  await page.request.patch(`/api/v1/clusters/${cluster}/enrollments/${enrollment}`, { headers: { Origin: served.url }, data: { state: 'Revoked' } });
  expect(errors).toEqual([]);
});

test('a list of devices is refused field by field, and a good one is followed in a table', async () => {
  const { page, errors } = await open(browser, served.url);
  await signIn(page, tokens.admin);
  await page.goto(`/clusters/${cluster}/join?many`);
  const name = `ui-many-${Date.now().toString(36)}`;
  await page.fill('#batch-list', 'nodeName\nNot A Name\n');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText('devices[0].nodeName').waitFor();
  await page.fill('#batch-list', `nodeName\n${name}-1\n${name}-2\n`);
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByText('2 devices may join').waitFor();
  await page.getByRole('row', { name: new RegExp(`${name}-2.*Code made`) }).waitFor();
  expect(await look(page, page.url())).toEqual([]);
  const script = page.waitForEvent('download');
  await page.getByRole('button', { name: `Script for ${name}-1` }).click();
  expect((await script).suggestedFilename()).toBe(`join-${name}-1.sh`);
  const all = (await (await page.request.get(`/api/v1/clusters/${cluster}/enrollments`)).json()) as { name: string; nodeName: string }[];
  for (const e of all.filter((x) => x.nodeName.startsWith(name))) {
    await page.request.patch(`/api/v1/clusters/${cluster}/enrollments/${e.name}`, { headers: { Origin: served.url }, data: { state: 'Revoked' } });
  }
  expect(errors.filter((e) => !e.includes('422'))).toEqual([]);
});
