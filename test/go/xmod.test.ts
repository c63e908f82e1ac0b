/** go.mod files, module paths and versions are read as golang.org/x/mod reads them, the module that Go itself uses. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type GoMod, parseGoMod, parseGoWork } from '../../src/core/go/goMod.ts';
import { existingPathProblem, modulePathProblem, publishedPathProblem } from '../../src/core/go/modulePath.ts';
import { isOlderSemver } from '../../src/core/go/version.ts';

const SLOW = 300_000;
const COUNT = 20_000;

interface Answers {
  readonly goMods: readonly (GoMod | null)[] | null;
  readonly goWorks: readonly (ReturnType<typeof parseGoWork> | null)[] | null;
  readonly paths: readonly { readonly published: boolean; readonly importable: boolean; readonly major: boolean }[];
  readonly older: readonly boolean[];
}

/** What golang.org/x/mod says. */
function oracle(questions: object): Answers {
  const output = execFileSync('go', ['run', '.'], {
    cwd: path.resolve('test/go/xmod'),
    env: { ...process.env, GOWORK: 'off' },
    input: JSON.stringify(questions),
    maxBuffer: 1 << 30,
  });
  return JSON.parse(output.toString());
}

/** As x/mod writes it: what is missing is an empty string. */
function filled<T extends Pick<GoMod, 'goVersion' | 'toolchain'>>(read: T | undefined) {
  return read && { ...read, goVersion: read.goVersion ?? '', toolchain: read.toolchain ?? '' };
}

/** The files that the module cache holds, and what a careless hand makes of them. */
function goModTexts(): { cached: string[]; mutated: string[] } {
  const cache = execFileSync('go', ['env', 'GOMODCACHE']).toString().trim();
  const cached = globSync('cache/download/**/*.mod', { cwd: cache }).map((file) =>
    readFileSync(path.join(cache, file), 'utf8'),
  );
  const samples = ['media/service/go.mod', 'snippets/go.mod', 'test/live/go.mod'];
  const texts = [...cached, ...samples.map((file) => readFileSync(file, 'utf8'))];
  const piece = fc.constantFrom(
    '(',
    ')',
    ' ',
    '\t',
    '\r',
    '\n',
    '\r\n',
    '"',
    '`',
    "'",
    '//',
    '/',
    '// indirect',
    '// indirect; why',
    '//indirect',
    '// indirectly',
    '\\',
    '=>',
    ',',
    '[',
    '\u00a0',
    'x',
    'require',
    'require(',
    'require (',
    'require ()',
    'tool a/b',
    'ignore ./x',
    'ignore (\n\tnode_modules\n\t"./a b"\n)',
    'replace a.b/c => ../c',
    'replace a.b/c v1.0.0 => d.e/f v1.2.0',
    'toolchain go1.27.1',
    'go 1.27',
    'module "a.b/c"',
    'module (\n\ta.b/c\n)',
    'require "a.b/c" v1.0.0',
    'v1.2.3',
    'require(\n\ta.b/c v1.0.0\n)',
    'exclude a.b/c v1.0.0',
    'retract v1.0.0',
    'godebug a=b',
    '"a\\x41\\u00e9\\n"',
    '',
  );
  const edit = fc.record({ text: fc.constantFrom(...texts), at: fc.nat(4000), piece, isLine: fc.boolean() });
  const mutated = fc.sample(
    edit.map(({ text, at, piece, isLine }) => {
      const cut = isLine ? text.indexOf('\n', at % (text.length + 1)) + 1 : at % (text.length + 1);
      return text.slice(0, cut) + piece + (isLine ? '\n' : '') + text.slice(cut);
    }),
    { numRuns: COUNT, seed: 1 },
  );
  return { cached: texts, mutated };
}

test('go.mod files of the module cache, and edited ones, are read as Go reads them', { timeout: SLOW }, () => {
  const { cached, mutated } = goModTexts();
  const texts = [...cached, ...mutated];
  const { goMods } = oracle({ goMods: texts });
  let compared = 0;
  texts.forEach((text, index) => {
    const theirs = goMods?.[index];
    if (theirs) {
      compared++;
      expect(filled(parseGoMod(text)), text).toEqual(theirs);
    }
  });
  console.log(`go.mod: ${cached.length} files and ${mutated.length} edits, ${compared} that Go accepts, 0 differences`);
  expect(cached.length).toBeGreaterThan(10);
  expect(compared).toBeGreaterThan(COUNT / 4);
});

test('go.work files are read as Go reads them', { timeout: SLOW }, () => {
  const line = fc.constantFrom(
    'go 1.26',
    'toolchain go1.27.0',
    'use ./a',
    'use "./a b"',
    'use .',
    'use (\n\t./b\n\t../c // why\n)',
    '// use ./d',
    'use(\n./e\n)',
    'use ()',
    'replace a.b/c => ./c',
    '',
    'use ./f // indirect',
    'use /g/h',
    'godebug x=y',
  );
  const texts = fc.sample(
    fc.array(line, { maxLength: 6 }).map((lines) => `${lines.join('\n')}\n`),
    {
      numRuns: 3000,
      seed: 1,
    },
  );
  const { goWorks } = oracle({ goWorks: texts });
  let compared = 0;
  texts.forEach((text, index) => {
    const theirs = goWorks?.[index];
    if (theirs) {
      compared++;
      expect(filled(parseGoWork(text)), text).toEqual(theirs);
    }
  });
  expect(compared).toBeGreaterThan(1000);
});

test('module paths are accepted where Go accepts them', { timeout: SLOW }, () => {
  const element = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom('github.com', 'example.com', 'gopkg.in', 'acme', 'orders', 'Orders', 'x') },
    fc.constantFrom(
      'v0',
      'v1',
      'v2',
      'v02',
      'v10',
      'v1.2',
      'v',
      'yaml.v2',
      'yaml.v0',
      'yaml.v2-unstable',
      'v2.',
      'x.v01',
    ),
    fc.constantFrom('con', 'NUL', 'com0', 'com1', 'LPT9', 'lpt0', 'aux.go', 'prn.', 'x.con', 'COM¹', 'CONIN$', 'conx'),
    fc.constantFrom(
      '.',
      '..',
      '...',
      '.x',
      'x.',
      'x..y',
      '',
      '-x',
      'x-',
      '~',
      'x~1',
      'x~y',
      'x~1.go',
      'x.go~1',
      '~1',
      '+',
    ),
    fc.constantFrom(
      'a b',
      'ä',
      '\u212a',
      'a\\b',
      'a:b',
      'a@v1',
      'a+b',
      '_',
      'a_b',
      'a"b',
      '\0',
      '\ud83d\ude00',
      'localhost',
    ),
    fc.string({ unit: fc.constantFrom(...'abzAZ019.-_~+v'), minLength: 1, maxLength: 4 }),
  );
  const paths = fc.sample(
    fc.array(element, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
    {
      numRuns: COUNT,
      seed: 1,
    },
  );
  const { paths: theirs } = oracle({ paths });
  // What the go command refuses besides, as tried with it.
  const isKept = (one: string) => /^(mod(\/|$)|go$|toolchain$|[~+])/.test(one) || one.split('/').includes('vendor');
  paths.forEach((one, index) => {
    const { published, importable, major } = theirs[index] ?? { published: false, importable: false, major: false };
    expect(publishedPathProblem(one) === undefined, `published: ${one}`).toBe(published && !isKept(one));
    expect(existingPathProblem(one) === undefined, `existing: ${one}`).toBe(importable && !isKept(one));
    expect(modulePathProblem(one) === undefined, `new: ${one}`).toBe(importable && major && !isKept(one));
  });
  const accepted = (rule: 'published' | 'importable') => theirs.filter((one) => one[rule]).length;
  console.log(
    `module paths: ${paths.length}, of which Go publishes ${accepted('published')} and imports ${accepted('importable')}, 0 differences`,
  );
  expect(accepted('published')).toBeGreaterThan(300);
  expect(accepted('importable')).toBeGreaterThan(2000);
});

test('versions are ordered as Go orders them', { timeout: SLOW }, () => {
  const version = fc.oneof(
    fc.tuple(fc.nat(3), fc.nat(12), fc.nat(12)).map((parts) => `v${parts.join('.')}`),
    fc
      .tuple(fc.nat(2), fc.constantFrom('rc1', 'rc.1', 'rc.10', '0.20240102030405-abcdef', 'alpha', '1', '0.1', 'a-b'))
      .map(([patch, pre]) => `v1.0.${patch}-${pre}`),
    fc.constantFrom(
      'v1.0.0+incompatible',
      'v1.0.1-rc1+meta',
      'v1',
      'v1.0',
      '',
      'latest',
      'v1.x',
      'v01.0.0',
      'v9'.repeat(9),
    ),
    fc.constantFrom(`v1.${'9'.repeat(30)}.0`, `v1.${'9'.repeat(31)}.0`),
  );
  const versions = fc.sample(fc.tuple(version, version), { numRuns: 5000, seed: 1 });
  const { older } = oracle({ versions });
  versions.forEach(([a, b], index) => {
    expect(isOlderSemver(a, b), `${a} < ${b}`).toBe(older[index]);
  });
});
