import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Pattern } from '../../src/core/catalogue/catalogue.ts';
import { planPattern, snippetOf } from '../../src/core/catalogue/patternInsertion.ts';
import { patternSnippets, splitGoSource } from '../../src/core/catalogue/snippet.ts';
import { parseGoFile } from '../../src/core/go/file.ts';
import { localName } from '../../src/core/go/imports.ts';
import { renameQualifiers } from '../../src/core/go/names.ts';
import { applyChanges } from '../../src/core/go/text.ts';
import { expand } from '../unit/support/expandSnippet.ts';
import { catalogue } from '../unit/support/knowledge.ts';

// What a snippet leaves behind has to compile: alone, beside all the others, renamed, and pasted into a file.

const WORK = path.resolve('.vscode-test/runs/snippets');
const GOIMPORTS = 'golang.org/x/tools/cmd/goimports@v0.52.0';
/** By the release of Go that a pattern says it needs. */
const standardByRelease = Map.groupBy(
  catalogue.patterns.filter(({ libraries }) => libraries.length === 0),
  ({ goVersion }) => goVersion,
);

const SLOW = 300_000;

beforeAll(() => rmSync(WORK, { recursive: true, force: true }));

// vet's stdversion check refuses what is newer than the go line of the module.
describe.each([...standardByRelease])('at Go %s, patterns that need the standard library only', (release, patterns) => {
  test('compile together in one package', { timeout: SLOW }, () => {
    const folder = module(`together-${release}`, `module example.com/together\n\ngo ${release}\n`);
    for (const pattern of patterns) {
      write(folder, `${pattern.name}.go`, inPackage(pattern.source, 'together'));
    }
    go(folder, 'vet', './...');
  });

  test('compile under other names', { timeout: SLOW }, () => {
    const folder = module(`renamed-${release}`, `module example.com/renamed\n\ngo ${release}\n`);
    for (const pattern of patterns) {
      write(folder, `${pattern.name}/${pattern.name}.go`, renamed(pattern));
    }
    go(folder, 'vet', './...');
  });

  test('compile in an existing file once its imports are organised', { timeout: SLOW }, () => {
    const folder = module(`pasted-${release}`, `module example.com/pasted\n\ngo ${release}\n`);
    for (const pattern of patterns) {
      const declarations = expand(patternSnippets(pattern)[pattern.title]?.body.join('\n') ?? '');
      write(folder, `${pattern.name}/file.go`, `package ${pattern.name}\n\nvar before = 1\n\n${declarations}\n`);
    }
    go(folder, 'run', GOIMPORTS, '-w', '.');
    go(folder, 'vet', './...');
    expect(spawnSync('gofmt', ['-l', '.'], { cwd: folder, encoding: 'utf8' }).stdout).toBe('');
  });
});

describe('all patterns', { timeout: SLOW }, () => {
  test('compile together in one package', () => {
    const folder = withLibraries('all');
    for (const pattern of catalogue.patterns) {
      write(folder, `all/${pattern.name}.go`, inPackage(pattern.source, 'all'));
    }
    go(folder, 'vet', './...');
  });

  test('compile where "Insert Pattern" puts them into an existing file, already formatted', () => {
    const folder = withLibraries('inserted');
    for (const pattern of catalogue.patterns) {
      const before = `package ${pattern.name}\n\nimport (\n\t"fmt"\n)\n\nfunc greet() string {\n\treturn fmt.Sprint("hi")\n}\n`;
      const file = parseGoFile(before);
      expect(file).toBeDefined();
      if (file) {
        const plan = planPattern(pattern, before, file, before.length, { declared: new Map(), imported: new Map() });
        const place = { start: plan.start, end: plan.end, text: expand(snippetOf(plan)) };
        write(folder, `${pattern.name}/file.go`, applyChanges(before, [...plan.imports, place]));
      }
    }
    go(folder, 'vet', './...');
    expect(spawnSync('gofmt', ['-l', '.'], { cwd: folder, encoding: 'utf8' }).stdout).toBe('');
  });

  test('a repository for each of two aggregates compile in one package', () => {
    const folder = withLibraries('aggregates');
    const repository = catalogue.patterns.filter(({ name }) => name === 'repository');
    const body = repository.flatMap((pattern) => patternSnippets(pattern)[`${pattern.title} (whole file)`]?.body ?? []);
    for (const names of [
      ['Invoice', 'invoices', 'invoice'],
      ['Delivery', 'deliveries', 'delivery'],
    ]) {
      const text = expand(body.join('\n'), { TM_DIRECTORY: '/x/postgres' }, [...names, '200']);
      write(folder, `postgres/${names[2]}.go`, text);
    }
    go(folder, 'vet', './...');
  });

  test.each(['x', 'pkg'])('stay formatted where each import has another name: %s', (alias) => {
    const folder = withLibraries(`aliased-${alias}`);
    for (const pattern of catalogue.patterns) {
      const { imports, declarations } = splitGoSource(pattern.source);
      const names = imports.map(localName);
      const others = new Map(names.map((name, index) => [name, `${alias}${index}`]));
      const lines = imports.map(({ path }, index) => `import ${alias}${index} "${path}"\n`);
      const file = `package ${pattern.name}\n\n${lines.join('')}\n${renameQualifiers(declarations, others)}`;
      write(folder, `${pattern.name}/file.go`, file);
    }
    go(folder, 'vet', './...');
    expect(spawnSync('gofmt', ['-d', '.'], { cwd: folder, encoding: 'utf8' }).stdout).toBe('');
  });

  test('compile under other names', () => {
    const folder = withLibraries('all-renamed');
    for (const pattern of catalogue.patterns) {
      write(folder, `${pattern.name}/${pattern.name}.go`, renamed(pattern));
    }
    go(folder, 'vet', './...');
  });
});

/** The whole-file snippet with every word that stands alone renamed, as somebody would who types over the tab stops. */
function renamed(pattern: Pattern): string {
  const body = patternSnippets(pattern)[`${pattern.title} (whole file)`]?.body.join('\n') ?? '';
  const names = pattern.tabStops.map(({ find }) =>
    /^[A-Z]\w*$/.test(find) ? `Renamed${find}` : /^[a-z]\w*$/.test(find) ? `renamed${find}` : find,
  );
  return expand(body, { TM_DIRECTORY: `/x/${pattern.name}` }, names);
}

function inPackage(source: string, name: string): string {
  return source.replace(/^package \w+/m, `package ${name}`);
}

function module(name: string, goMod: string): string {
  const folder = path.join(WORK, name);
  write(folder, 'go.mod', goMod);
  return folder;
}

function withLibraries(name: string): string {
  const folder = module(name, readFileSync('snippets/go.mod', 'utf8'));
  cpSync('snippets/go.sum', path.join(folder, 'go.sum'));
  return folder;
}

function write(folder: string, file: string, text: string): void {
  const target = path.join(folder, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text.endsWith('\n') ? text : `${text}\n`);
}

function go(folder: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync('go', args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, GOWORK: 'off' },
  });
  const problems = (error?.message ?? stderr).replace(/^go: downloading .*\n/gm, '').replaceAll(`${WORK}/`, '');
  expect(problems).toBe('');
  expect(status).toBe(0);
}
