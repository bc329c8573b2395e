import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import jsQR from 'jsqr';
import { beforeAll, expect, test } from 'vitest';
import { startI18n } from '../../lib/i18n';
import { QR } from './qr';

beforeAll(() => startI18n('en'));

const command =
  'curl -fsS -k --pinnedpubkey sha256//OJ+e3lINvDPSrrxIkkatieIh0ewV9pPDSMWLCCGTZ6o= https://console.example:8443/join/install.sh | EDGEWAY_CODE=7K3M-0000-1111-2222-3333-4444-5555 sh -s -- --server https://console.example:8443 --pin sha256//OJ+e3lINvDPSrrxIkkatieIh0ewV9pPDSMWLCCGTZ6o= --sha256 ' +
  'a'.repeat(64);

/** Reads the drawing as a camera would: as dark and light dots. */
function read(svg: Element): string | undefined {
  const side = Number(svg.getAttribute('viewBox')?.split(' ')[2]);
  const scale = 4;
  const width = side * scale;
  const dots = new Uint8ClampedArray(width * width * 4).fill(255);
  const dark = svg.querySelectorAll('path')[1]?.getAttribute('d') ?? '';
  for (const [, x, y, run] of dark.matchAll(/M\s?(\d+)[ ,](\d+)\s?h(\d+)/g)) {
    for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row++) {
      for (let column = Number(x) * scale; column < (Number(x) + Number(run)) * scale; column++) dots.fill(0, (row * width + column) * 4, (row * width + column) * 4 + 3);
    }
  }
  return jsQR(dots, width, width)?.data;
}

test('the code is drawn only when it is asked for, and reads as the command', async () => {
  const { container } = render(<QR text={command} name="Join command" />);
  expect(container.querySelector('svg[role=img]')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Show as a QR code' }));
  const svg = await screen.findByRole('img', { name: 'Join command' }, { timeout: 10_000 });
  expect(read(svg)).toBe(command);
  // It is nowhere but in the drawing: no link, no picture to fetch.
  expect(container.querySelectorAll('a, img, image').length).toBe(0);
  await userEvent.click(screen.getByRole('button', { name: 'Hide the QR code' }));
  expect(container.querySelector('svg[role=img]')).toBeNull();
});
