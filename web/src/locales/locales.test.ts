import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import en from './en.json';
import logsEn from './logs/en.json';
import logsZh from './logs/zh.json';
import zh from './zh.json';

type Tree = { [key: string]: string | Tree };

function flatten(tree: Tree, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(tree).flatMap(([key, value]) =>
      typeof value === 'string' ? [[prefix + key, value] as const] : [...flatten(value, `${prefix}${key}.`)],
    ),
  );
}

function sources(dir: string): string[] {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? sources(path) : /\.tsx?$/.test(name) && !name.includes('.test.') ? [path] : [];
  });
}

describe('locales', () => {
  const english = flatten({ ...en, ...logsEn });
  const chinese = flatten({ ...zh, ...logsZh });

  test('both languages have the same strings', () => {
    expect([...chinese.keys()]).toEqual([...english.keys()]);
  });

  test('both have the same placeholders', () => {
    const holes = (s: string | undefined) => [...(s ?? '').matchAll(/{{\w+}}/g)].map((m) => m[0]).sort();
    for (const [key, text] of english) expect(holes(chinese.get(key)), key).toEqual(holes(text));
  });

  test('every string that a page names is there', () => {
    const used = sources('src').flatMap((f) => [...readFileSync(f, 'utf8').matchAll(/\bt\('([\w.]+)'/g)].map((m) => m[1] ?? ''));
    expect(used.length).toBeGreaterThan(150);
    const missing = used.filter((key) => !english.has(key) && !english.has(`${key}_one`));
    expect(missing).toEqual([]);
  });
});
