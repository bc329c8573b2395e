import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { urlPath } from './paths';

test('a name stays one segment', () => {
  expect(urlPath`/clusters/${'arn:aws:eks:x:cluster/prod'}/nodes/${'..%2f..'}`).toBe('/clusters/arn%3Aaws%3Aeks%3Ax%3Acluster%2Fprod/nodes/..%252f..');
  expect(urlPath`/clusters/${'prod'}/nodes/${'edge-1.lab'}?tab=${'a&b'}`).toBe('/clusters/prod/nodes/edge-1.lab?tab=a%26b');
});

function sources(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? sources(path) : /\.tsx?$/.test(name) && !name.includes('.test.') && name !== 'schema.d.ts' ? [path] : [];
  });
}

test('every path with a name in it is made by urlPath', () => {
  let seen = 0;
  for (const file of sources('src')) {
    for (const [, tag, path] of readFileSync(file, 'utf8').matchAll(/(\w*)`(\/[^`]*\$\{[^`]*)`/g)) {
      seen++;
      expect(tag, `${file}: \`${path}\``).toBe('urlPath');
    }
  }
  expect(seen).toBeGreaterThan(30);
});
