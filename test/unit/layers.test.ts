import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ArchRules, checkRules, circlesOf, type ImportEdge, readRules } from './support/archLint.ts';

const files = ['src', 'scripts', 'test']
  .flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file.replaceAll('\\', '/')}`),
  )
  .concat(readdirSync('.'))
  .filter((file) => /\.(ts|mjs)$/.test(file));
const known = new Set(files);
const edges = files.flatMap(importsOf);

/** What a TypeScript file imports, types and what is loaded on use included. */
function importsOf(from: string): ImportEdge[] {
  const text = readFileSync(from, 'utf8');
  const statements =
    /^(?:import\s+(?:[\w$*{},\s]+?\sfrom\s+)?|export\s+(?:type\s+)?[*{][\w$*{},\s]*?from\s+)'([^'\n]+)'/gm;
  const calls = /\bimport\(\s*'([^'\n]+)'\s*\)/g;
  return [...text.matchAll(statements), ...text.matchAll(calls)].map(([, target = '']) => {
    const inside = target.startsWith('.');
    return { from, inside, to: inside ? posix.join(posix.dirname(from), target) : target };
  });
}

describe('the folders', () => {
  const rules = readRules('layers.yml', readFileSync('test/unit/layers.yml', 'utf8'));

  test('import only what test/unit/layers.yml allows, and it allows nothing that is not needed', () => {
    expect(edges.length).toBeGreaterThan(300);
    expect(checkRules(rules, files, edges)).toEqual([]);
  });

  test('import only files that exist', () => {
    const missing = edges.filter(({ inside, to }) => inside && !known.has(to) && !to.endsWith('.json'));
    expect(missing).toEqual([]);
  });

  test('have no circle, neither by the rules nor from file to file', () => {
    const allowed = new Map([...rules.deps].map(([name, { mayDependOn }]) => [name, mayDependOn]));
    expect(circlesOf(allowed)).toEqual([]);
    const graph = new Map(
      files.map((file) => [file, edges.filter(({ from, inside }) => inside && from === file).map(({ to }) => to)]),
    );
    expect(circlesOf(graph)).toEqual([]);
  });

  test('of the extension reach for Node in one file only', () => {
    const node = edges.filter(({ from, to }) => from.startsWith('src/') && to.startsWith('node:'));
    expect([...new Set(node.map(({ from }) => from))]).toEqual(['src/node.ts']);
  });
});

describe('a breach of the rules is found:', () => {
  const rules = readRules(
    'rules.yml',
    `
version: 3
components: { inner: { in: a/inner }, outer: { in: [a/outer, a/outer/**] } }
vendors: { fs: { in: node:** } }
deps: { outer: { mayDependOn: [inner], canUse: [fs] } }`,
  );
  const clean: ImportEdge[] = [
    { from: 'a/outer/x.ts', to: 'a/inner/y.ts', inside: true },
    { from: 'a/outer/deep/x.ts', to: 'node:fs', inside: false },
  ];
  const check = (...more: ImportEdge[]) => {
    const all = [...clean, ...more];
    const inside = all.flatMap(({ from, to, inside }) => (inside ? [from, to] : [from]));
    return checkRules(rules, [...new Set(inside)], all);
  };

  test('none where there is none', () => expect(check()).toEqual([]));

  test.each<[string, ImportEdge, string]>([
    ['the wrong way', { from: 'a/inner/y.ts', to: 'a/outer/x.ts', inside: true }, '"inner" may not depend on "outer"'],
    ['a strange module', { from: 'a/outer/x.ts', to: 'vscode', inside: false }, 'may not depend on "this module"'],
    ['a vendor of others', { from: 'a/inner/y.ts', to: 'node:fs', inside: false }, '"inner" may not depend on "fs"'],
    ['a new folder', { from: 'a/new/z.ts', to: 'a/inner/y.ts', inside: true }, 'a/new/z.ts belongs to no component'],
    ['a like name', { from: 'a/outer2/z.ts', to: 'a/inner/y.ts', inside: true }, 'belongs to no component'],
  ])('%s', (_, edge, finding) => {
    expect(check(edge).join('\n')).toContain(finding);
  });

  test('rules that match nothing', () => {
    expect(checkRules(rules, ['a/inner/y.ts'], [])).toEqual([
      'no file belongs to the component "outer"',
      'nothing imports the vendor "fs"',
      'no import needs "outer" -> "inner"',
      'no import needs "outer" -> "fs"',
    ]);
  });

  test('a name that is not declared', () => {
    expect(() => readRules('r.yml', 'version: 3\ndeps: { x: { mayDependOn: [y] } }')).toThrow('"x", which is not');
    const rules: () => ArchRules = () =>
      readRules('r.yml', 'version: 3\ncomponents: {x: {in: x}}\ndeps: {x: {canUse: [y]}}');
    expect(rules).toThrow('"y", which is not declared');
  });

  test('circles', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c', 'd']],
      ['c', ['a']],
      ['d', ['d']],
    ]);
    expect(circlesOf(graph)).toEqual(['a -> b -> c -> a', 'd -> d']);
  });
});
