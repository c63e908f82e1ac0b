import { describe, expect, test } from 'vitest';
import { type GoImport, parseGoFile } from '../../src/core/go/file.ts';
import { planImports } from '../../src/core/go/imports.ts';
import { isBetweenDeclarations, planInsertion, UnreadableFileError } from '../../src/core/go/insertion.ts';
import { applyChanges } from '../../src/core/go/text.ts';
import { insertCases, marked } from './support/cursor.ts';

function fileOf(text: string) {
  const file = parseGoFile(text);
  if (!file) {
    throw new Error('no package clause');
  }
  return file;
}

describe('planImports', () => {
  function plan(text: string, needed: readonly GoImport[], declared: readonly string[] = []) {
    const { changes, qualifiers } = planImports(text, fileOf(text), {
      imports: needed,
      used: new Set(),
      declared: new Set(declared),
    });
    return { text: applyChanges(text, changes), qualifiers: Object.fromEntries(qualifiers) };
  }
  const apply = (text: string, ...needed: GoImport[]) => plan(text, needed).text;

  test('adds a block where there is none', () => {
    expect(apply('// Doc.\npackage p\n\nvar x = 1\n', { path: 'time' }, { path: 'context' })).toBe(
      '// Doc.\npackage p\n\nimport (\n\t"context"\n\t"time"\n)\n\nvar x = 1\n',
    );
  });

  test('makes a single import a block', () => {
    expect(apply('package p\n\nimport "fmt" // prints\n\nvar x = 1\n', { path: 'time' }, { path: 'fmt' })).toBe(
      'package p\n\nimport (\n\t"fmt" // prints\n\t"time"\n)\n\nvar x = 1\n',
    );
  });

  test('sorts into the group of its kind and leaves the rest', () => {
    const text =
      'package p\n\nimport (\n\t"fmt"\n\t"time" // clock\n\n\t"github.com/a/b"\n\n\t"example.com/own/x"\n)\n';
    expect(apply(text, { path: 'os' }, { path: 'github.com/a/a' }, { path: 'fmt' })).toBe(
      'package p\n\nimport (\n\t"fmt"\n\t"os"\n\t"time" // clock\n\n\t"github.com/a/a"\n\t"github.com/a/b"\n\n\t"example.com/own/x"\n)\n',
    );
  });

  test('opens a group where the block has none of its kind, own modules without a dot included', () => {
    expect(apply('package p\n\nimport (\n\t"github.com/a/b"\n)\n', { path: 'fmt' })).toBe(
      'package p\n\nimport (\n\t"fmt"\n\n\t"github.com/a/b"\n)\n',
    );
    expect(apply('package p\n\nimport (\n\t"myapp/x"\n)\n', { path: 'fmt' })).toBe(
      'package p\n\nimport (\n\t"fmt"\n\n\t"myapp/x"\n)\n',
    );
    expect(apply('package p\n\nimport (\n\t"fmt"\n)\n', { path: 'github.com/a/b', name: 'b' })).toBe(
      'package p\n\nimport (\n\t"fmt"\n\n\tb "github.com/a/b"\n)\n',
    );
  });

  test('keeps a comment with the import below it', () => {
    const text = 'package p\n\nimport (\n\t"os"\n\t// for the side effect\n\t_ "embed"\n)\n';
    expect(apply(text, { path: 'fmt' })).toBe(
      'package p\n\nimport (\n\t"os"\n\t// for the side effect\n\t_ "embed"\n\t"fmt"\n)\n',
    );
  });

  test('leaves the preamble of cgo to its import', () => {
    const text = 'package p\n\n// #include <stdlib.h>\nimport "C"\n';
    expect(apply(text, { path: 'fmt' })).toBe(`${text}\nimport (\n\t"fmt"\n)\n`);
  });

  test('changes nothing where nothing is missing', () => {
    const text = 'package p\n\nimport ( "fmt"; "time" )\n';
    expect(plan(text, [{ path: 'fmt' }, { path: 'time' }])).toEqual({ text, qualifiers: {} });
  });

  test('a package with another name in this file is used by that name, a taken name gets another one', () => {
    const text = 'package p\n\nimport (\n\tstdctx "context"\n\t"math/rand"\n)\n';
    expect(plan(text, [{ path: 'context' }, { path: 'math/rand/v2' }, { path: 'time' }], ['time'])).toEqual({
      text: 'package p\n\nimport (\n\tstdctx "context"\n\t"math/rand"\n\trandpkg "math/rand/v2"\n\ttimepkg "time"\n)\n',
      qualifiers: { context: 'stdctx', rand: 'randpkg', time: 'timepkg' },
    });
  });
});

describe('planInsertion', () => {
  const needs = { imports: [], used: new Set<string>(), declared: new Set<string>() };
  const insert = ({ text, cursor }: { text: string; cursor: number }) => {
    const { place, behind } = planInsertion(text, fileOf(text), cursor, needs);
    const inserted = `${place.before}HERE${place.after}`;
    return {
      text: applyChanges(text, [{ start: place.start, end: place.end, text: inserted }]),
      behind: behind?.names[0]?.name,
    };
  };

  test.each([
    ['package p\n\nvar x = 1‸\n', 'package p\n\nvar x = 1\n\nHERE\n', 'x'],
    ['package p\n\nvar x = 1\n‸', 'package p\n\nvar x = 1\n\nHERE\n', undefined],
    ['‸package p', 'package p\n\nHERE\n', undefined],
    ['package p‸\n\nvar y = 2\n', 'package p\n\nHERE\n\nvar y = 2\n', undefined],
    ['package p\n\nvar x = 1\n\n‸\nvar y = 2\n', 'package p\n\nvar x = 1\n\nHERE\n\nvar y = 2\n', undefined],
    ['package p\n\n// d‸oc\n\n// Y.\nvar y = 2\n', 'package p\n\n// doc\n\nHERE\n\n// Y.\nvar y = 2\n', undefined],
    ['package p\n\n//go:noinline\n‸\nfunc f() {}\n', 'package p\n\n//go:noinline\n\nfunc f() {}\n\nHERE\n', 'f'],
    [
      'package p\n\nfunc f(\n\ta int,\n) error {\n\t‸return nil\n}\n',
      'package p\n\nfunc f(\n\ta int,\n) error {\n\treturn nil\n}\n\nHERE\n',
      'f',
    ],
    ['package p\r\n\r\nvar x = 1\r\n‸', 'package p\r\n\r\nvar x = 1\r\n\r\nHERE\r\n', undefined],
  ])('%j', (before, after, behind) => {
    expect(insert(marked(before))).toEqual({ text: after, behind });
  });

  test('a file with conflict markers is refused, with the line', () => {
    const [, { text, cursor }] = insertCases.find(([name]) => name === 'conflict-markers') ?? ['', marked('')];
    expect(() => planInsertion(text, fileOf(text), cursor, needs)).toThrow(UnreadableFileError);
    expect(() => planInsertion(text, fileOf(text), cursor, needs)).toThrow(/^line 4: /);
  });

  test.each([
    ['package p\n‸\nvar x = 1\n', true],
    ['package p‸\n', false],
    ['‸\npackage p\n', false],
    ['package p\n\nimport "fmt"\n‸\nimport "os"\n', false],
    ['package p\n\nfunc f() {\n‸\n}\n', false],
    ['package p\n\n/*\n‸\n*/\n', false],
    ['package p\n\nvar s = `\n‸\n`\n', false],
    ['package p\n\nfunc f() {\n\n‸', false],
  ])('between declarations in %j: %j', (before, expected) => {
    const { text, cursor } = marked(before);
    expect(isBetweenDeclarations(text, fileOf(text), cursor)).toBe(expected);
  });
});
