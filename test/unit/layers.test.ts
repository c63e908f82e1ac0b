import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** What a TypeScript file imports, types included. */
function importsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map(
    (match) => match[1] ?? '',
  );
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `${folder}/${file}`);
}

test('core imports nothing but itself and two pure libraries', () => {
  const files = filesBelow('src/core');
  expect(files.length).toBeGreaterThan(20);
  for (const file of files) {
    const depth = file.split('/').length - 3;
    for (const imported of importsOf(file)) {
      const up = (imported.match(/\.\.\//g) ?? []).length;
      const inside = /^\.\.?\//.test(imported) && up <= depth;
      expect(inside || ['gray-matter', 'p-map'].includes(imported), `${file} imports ${imported}`).toBe(true);
    }
  }
});

test('only the Node entry reaches for Node', () => {
  for (const file of filesBelow('src')) {
    const node = importsOf(file).filter((imported) => imported.startsWith('node:'));
    expect(node.length === 0 || file === 'src/node.ts', `${file} imports ${node.join()}`).toBe(true);
  }
});
