import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

test('every package in the lock file has the hash of what npm may install', () => {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
    packages: Record<string, { readonly integrity?: string }>;
  };
  const names = Object.keys(packages).filter((name) => name !== '');
  expect(names.length).toBeGreaterThan(100);
  expect(names.filter((name) => !packages[name]?.integrity?.startsWith('sha512-'))).toEqual([]);
});

test.each(readdirSync('.github/workflows'))('%s names the commit of each action: a tag can be moved', (file) => {
  const text = readFileSync(`.github/workflows/${file}`, 'utf8');
  const uses = [...text.matchAll(/^\s*(?:- )?uses: *(.*)$/gm)].map(([, action = '']) => action);
  expect(uses.length).toBeGreaterThan(0);
  expect(uses.filter((action) => !/^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual([]);
});
