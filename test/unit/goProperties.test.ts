import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { completionPlace } from '../../src/core/catalogue/patternCompletion.ts';
import { constraintOf } from '../../src/core/go/constraint.ts';
import { parseGoFile } from '../../src/core/go/file.ts';
import { isBetweenDeclarations, planInsertion, UnreadableFileError } from '../../src/core/go/insertion.ts';
import { namesUsedIn, renameQualifiers } from '../../src/core/go/names.ts';
import {
  goFileFor,
  isGenerated,
  packageFolderProblem,
  packageNameFor,
  packageOf,
  scopeOf,
} from '../../src/core/go/package.ts';
import { Scanner } from '../../src/core/go/scanner.ts';
import { insertCases } from './support/cursor.ts';
import { catalogue } from './support/knowledge.ts';

const SOURCES = [...catalogue.patterns.map(({ source }) => source), ...insertCases.map(([, { text }]) => text)];
const NEEDS = {
  imports: [{ path: 'context' }, { path: 'a.b/c' }],
  used: new Set<string>(),
  declared: new Set<string>(),
};

/** Everything that the core does with a Go text of somebody. */
const READERS: Readonly<Record<string, (text: string) => void>> = {
  scanner(text) {
    const scan = new Scanner(text);
    let before = 0;
    while (scan.next() !== 'end') {
      if (scan.start < before || (scan.end <= scan.start && !scan.isAutomatic)) {
        throw new Error(`no progress at ${scan.start}`);
      }
      before = scan.end;
    }
  },
  insertion(text) {
    const file = parseGoFile(text);
    if (file) {
      isBetweenDeclarations(text, file, text.length >> 1);
      try {
        planInsertion(text, file, text.length >> 1, NEEDS);
      } catch (error) {
        if (!(error instanceof UnreadableFileError)) {
          throw error;
        }
      }
    }
  },
  completion: (text) => void completionPlace(text, text.lastIndexOf('\n') + 1, text.length),
  names: (text) => void namesUsedIn(text),
  rename: (text) => void renameQualifiers(text, new Map([['time', 'x']])),
  package: (text) => void packageOf([{ name: 'a.go', text }]),
  scope: (text) => void scopeOf([{ name: 'a.go', text }], 'p'),
  generated: (text) => void isGenerated(text),
  constraint: (text) => void constraintOf(text),
  file: (text) => void goFileFor(text, 'q', true),
  folder: (text) => void packageFolderProblem(text),
  folderName: (text) => void packageNameFor(text),
};

const PIECES = [
  '{',
  '}',
  '(',
  ')',
  '`',
  '"',
  "'",
  '/*',
  '*/',
  '//',
  '\n',
  '\r\n',
  '\0',
  '\uFEFF',
  '\uD800',
  ' ',
  ';',
  'import',
  'func',
  '<<<<<<<',
];

const mutated = fc
  .tuple(
    fc.constantFrom(...SOURCES),
    fc.array(fc.tuple(fc.nat(), fc.nat(40), fc.constantFrom(...PIECES)), { maxLength: 6 }),
  )
  .map(([source, edits]) =>
    edits.reduce((text, [at, length, piece]) => {
      const start = at % (text.length + 1);
      return text.slice(0, start) + piece + text.slice(start + length);
    }, source),
  );

describe.each(Object.entries(READERS))('%s', (_, read) => {
  test('throws nothing on mutated files and on any text', () => {
    expect(() =>
      fc.assert(
        fc.property(fc.oneof(mutated, fc.string({ unit: 'binary' })), (text) => read(text)),
        { numRuns: 500 },
      ),
    ).not.toThrow();
  });

  afterEach(() => vi.restoreAllMocks());

  // Characters that are looked at one by one, and those that a search or an expression passes over.
  const ADVERSARIAL: Readonly<Record<string, (n: number) => string>> = {
    spaces: (n) => `package p\n${' '.repeat(n)}`,
    'spaces before the clause': (n) => `${' '.repeat(n)}package p`,
    'line ends': (n) => `package p\n${'\n'.repeat(n)}var x = 1\n`,
    'unclosed comments': (n) => '/*'.repeat(n / 2),
    'empty comments': (n) => `${'/**/'.repeat(n / 4)}package p`,
    'comments behind': (n) => `package p\n${'/**/\n'.repeat(n / 5)}`,
    'line comments': (n) => `package p\n${'//\n'.repeat(n / 3)}`,
    'an unclosed string': (n) => `package p\nvar x = "${'a'.repeat(n)}`,
    'an unclosed raw string': (n) => `package p\nvar x = \`${'a\n'.repeat(n / 2)}`,
    quotes: (n) => `package p\n${'"'.repeat(n)}`,
    brackets: (n) => `package p\nvar x = ${'('.repeat(n)}`,
    closing: (n) => `package p\n${'}'.repeat(n)}`,
    imports: (n) => `package p\nimport (\n${'\t"a"\n'.repeat(n / 5)})\n`,
    'imports apart': (n) => `package p\n${'import "a"\n'.repeat(n / 11)}`,
    'imports on one line': (n) => `package p\nimport (${'"a";'.repeat(n / 4)})\n`,
    declarations: (n) => `package p\n${'var x = 1\n'.repeat(n / 10)}`,
    semicolons: (n) => `package p${';'.repeat(n)}`,
    letters: (n) => `package ${'a'.repeat(n)}`,
    slashes: (n) => `package p\n${'/'.repeat(n)}`,
    'conflict markers': (n) => `package p\n${'<<<<<<<\n'.repeat(n / 8)}`,
    constraints: (n) => `${'//go:build a\n'.repeat(n / 13)}package p`,
    selectors: (n) => `package p\nvar x = time${'.time'.repeat(n / 5)}`,
  };

  test.each(Object.entries(ADVERSARIAL))('%s: twice the text takes twice the steps', (_name, text) => {
    const steps = (input: string) => {
      let count = 0;
      const charCodeAt = String.prototype.charCodeAt;
      vi.spyOn(String.prototype, 'charCodeAt').mockImplementation(function (this: string, at: number) {
        count++;
        return charCodeAt.call(this, at);
      });
      for (const name of ['indexOf', 'lastIndexOf'] as const) {
        const search = String.prototype[name];
        vi.spyOn(String.prototype, name).mockImplementation(function (this: string, what: string, from?: number) {
          const found = search.call(this, what, from as number);
          const begin = from ?? (name === 'indexOf' ? 0 : this.length);
          count += found < 0 ? (name === 'indexOf' ? this.length - begin : begin) : Math.abs(found - begin);
          return found;
        });
      }
      for (const name of ['slice', 'trim', 'trimEnd', 'trimStart'] as const) {
        const cut = String.prototype[name] as (...args: number[]) => string;
        vi.spyOn(String.prototype, name).mockImplementation(function (this: string, ...args: unknown[]) {
          const part = cut.apply(this, args as number[]);
          count += name === 'slice' ? part.length : this.length;
          return part;
        });
      }
      read(input);
      vi.restoreAllMocks();
      return count;
    };
    const [once, twice] = [steps(text(10_000)), steps(text(20_000))];
    expect(twice).toBeLessThan(once * 2.2 + 1000);
  });
});

test('20 million spaces and a file of 50 MB are read', { timeout: 60_000 }, () => {
  expect(parseGoFile(`package p\n${' '.repeat(20_000_000)}\nvar x = 1\n`)?.declarations).toHaveLength(1);
  const [text = ''] = SOURCES;
  const file = `${text}\n${'func f() { _ = "x" + `y` }\n'.repeat(2_000_000)}`;
  expect(parseGoFile(file)?.declarations.length).toBeGreaterThan(2_000_000);
});

test('fixtures are there', () => {
  expect(insertCases.length).toBeGreaterThan(25);
  expect(readFileSync('test/fixtures/insert/generated.go.txt', 'utf8')).toContain('‸');
});
