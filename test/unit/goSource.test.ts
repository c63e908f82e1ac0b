import { describe, expect, test } from 'vitest';
import {
  declarationOffset,
  type GoImport,
  goFileFor,
  packageNameFor,
  parseGoHead,
  planImports,
  spacingAt,
} from '../../src/core/catalogue/goSource.ts';

describe('parseGoHead', () => {
  test('reads past comments, build tags and every form of import', () => {
    const text = `//go:build linux
/* package wrong */
// Package p is it.
package p // comment

import "fmt"; import m "math"
import (
	_ "embed" // for the side effect
	. "strings"
	// import "commented/out"
	\`os\`
)

import "late"

var s = \`import "inside/string"\`
`;
    const head = parseGoHead(text);
    expect(head?.packageName).toBe('p');
    expect(head?.imports).toEqual([
      { path: 'fmt' },
      { path: 'math', name: 'm' },
      { path: 'embed', name: '_' },
      { path: 'strings', name: '.' },
      { path: 'os' },
      { path: 'late' },
    ]);
    expect(text.slice(head?.end)).toMatch(/^\n\nvar s/);
  });

  test.each(['', 'hello', '// package p', 'import "x"\npackage p'])('no head in %j', (text) => {
    expect(parseGoHead(text)).toBeUndefined();
  });

  test.each(['package p\nimport (', 'package p\nimport', 'package p\nimport ( "a" nonsense )'])(
    'a broken import ends the head: %j',
    (text) => {
      expect(parseGoHead(text)?.packageName).toBe('p');
    },
  );
});

describe('planImports', () => {
  function apply(text: string, ...needed: GoImport[]): { text: string; conflicts: readonly string[] } {
    const head = parseGoHead(text);
    if (!head) {
      throw new Error('no head');
    }
    const { changes, conflicts } = planImports(text, head, needed);
    let result = text;
    for (const change of changes.toReversed()) {
      result = result.slice(0, change.start) + change.text + result.slice(change.end);
    }
    return { text: result, conflicts };
  }

  test('adds a block where there is none', () => {
    expect(apply('// Doc.\npackage p\n\nvar x = 1\n', { path: 'time' }, { path: 'context' }).text).toBe(
      '// Doc.\npackage p\n\nimport (\n\t"context"\n\t"time"\n)\n\nvar x = 1\n',
    );
  });

  test('adds a block after single imports', () => {
    expect(apply('package p\n\nimport "fmt"\n\nvar x = 1\n', { path: 'time' }, { path: 'fmt' }).text).toBe(
      'package p\n\nimport "fmt"\n\nimport (\n\t"time"\n)\n\nvar x = 1\n',
    );
  });

  test('sorts into the group of its kind and leaves the rest', () => {
    const text =
      'package p\n\nimport (\n\t"fmt"\n\t"time" // clock\n\n\t"github.com/a/b"\n\n\t"example.com/own/x"\n)\n';
    expect(apply(text, { path: 'os' }, { path: 'github.com/a/a' }, { path: 'fmt' }).text).toBe(
      'package p\n\nimport (\n\t"fmt"\n\t"os"\n\t"time" // clock\n\n\t"github.com/a/a"\n\t"github.com/a/b"\n\n\t"example.com/own/x"\n)\n',
    );
  });

  test('opens a group where the block has none of its kind', () => {
    expect(apply('package p\n\nimport (\n\t"github.com/a/b"\n)\n', { path: 'fmt' }).text).toBe(
      'package p\n\nimport (\n\t"fmt"\n\n\t"github.com/a/b"\n)\n',
    );
    expect(apply('package p\n\nimport (\n\t"fmt"\n)\n', { path: 'github.com/a/b', name: 'b' }).text).toBe(
      'package p\n\nimport (\n\t"fmt"\n\n\tb "github.com/a/b"\n)\n',
    );
    expect(apply('package p\n\nimport (\n)\n', { path: 'fmt' }, { path: 'example.com/x' }).text).toBe(
      'package p\n\nimport (\n\t"fmt"\n\n\t"example.com/x"\n)\n',
    );
  });

  test.each(['import ()', 'import ("os")', 'import ( "os"; "io" )'])('leaves %s alone and adds a block', (block) => {
    expect(apply(`package p\n\n${block}\n`, { path: 'fmt' }).text).toBe(
      `package p\n\n${block}\n\nimport (\n\t"fmt"\n)\n`,
    );
  });

  test('keeps a comment with the import below it', () => {
    const text = 'package p\n\nimport (\n\t"os"\n\t// for the side effect\n\t_ "embed"\n)\n';
    expect(apply(text, { path: 'fmt' }).text).toBe(
      'package p\n\nimport (\n\t"os"\n\t// for the side effect\n\t_ "embed"\n\t"fmt"\n)\n',
    );
  });

  test('changes nothing where nothing is missing', () => {
    const text = 'package p\n\nimport ( "fmt"; "time" )\n';
    expect(apply(text, { path: 'fmt' }, { path: 'time' })).toEqual({ text, conflicts: [] });
  });

  test('names what stands in the way', () => {
    const { conflicts } = apply(
      'package p\n\nimport (\n\t"math/rand"\n\tctx "context"\n)\n',
      { path: 'math/rand/v2' },
      { path: 'context' },
    );
    expect(conflicts).toEqual(['rand is "math/rand", not "math/rand/v2"', '"context" is imported as ctx']);
  });
});

describe('declarationOffset', () => {
  const text =
    'package p\n\nimport "fmt"\n\nvar x = 1\n\nfunc f() {\n\tfmt.Println()\n}\n\ntype t struct {\n\ta int\n}\n';
  const headEnd = parseGoHead(text)?.end ?? 0;
  const at = (needle: string) => declarationOffset(text, text.indexOf(needle), headEnd);

  test.each([
    ['in the head', 'package', 'import "fmt"'],
    ['in a declaration of one line', 'x = 1', 'var x = 1'],
    ['in a function', 'Println', 'fmt.Println()\n}'],
    ['on the first line of a function', 'func f', 'fmt.Println()\n}'],
    ['in the last declaration', 'a int', 'a int\n}'],
  ])('a cursor %s', (_, cursor, expected) => {
    expect(text.slice(0, at(cursor)).endsWith(expected)).toBe(true);
  });

  test('an empty line between declarations is taken as it is', () => {
    const empty = text.indexOf('\n\ntype') + 1;
    expect(declarationOffset(text, empty, headEnd)).toBe(empty);
    expect(declarationOffset(text, text.length, headEnd)).toBe(text.length);
    expect(declarationOffset('package p', 9, 9)).toBe(9);
  });
});

test('a file for another package has its name, and the doc comment only where the package is new', () => {
  const source = '// Package retry tries again.\n// More.\npackage retry\n\nvar x = "package retry"\n';
  expect(goFileFor(source, 'client', true)).toBe(
    '// Package client tries again.\n// More.\npackage client\n\nvar x = "package retry"\n',
  );
  expect(goFileFor(source, 'client', false)).toBe('package client\n\nvar x = "package retry"\n');
});

test.each([
  ['my-pkg', 'mypkg'],
  ['2fa', 'fa'],
  ['Orders', 'orders'],
  ['func', 'pattern'],
  ['ü', 'pattern'],
])('the package in folder %s is called %s', (folder, name) => {
  expect(packageNameFor(folder)).toBe(name);
});

test.each([
  ['package p\n\nvar x = 1\n|', '\n', ''],
  ['package p\n\nvar x = 1\n\n|', '', ''],
  ['package p\n\nvar x = 1|', '\n\n', ''],
  ['package p|\n\nvar x = 1\n', '\n\n', ''],
  ['package p\n\nvar x = 1\n|\nvar y = 2\n', '\n', '\n'],
  ['package p\n|var y = 2\n', '\n', '\n\n'],
])('the spacing at %j', (text, before, after) => {
  const offset = text.indexOf('|');
  expect(spacingAt(text.replace('|', ''), offset)).toEqual({ before, after });
});
