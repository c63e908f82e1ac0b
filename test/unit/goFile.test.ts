import { describe, expect, test } from 'vitest';
import { importsOf, parseGoFile, parseGoHead } from '../../src/core/go/file.ts';

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
    expect(head && importsOf(head).map(({ path, name }) => [path, name])).toEqual([
      ['fmt', undefined],
      ['math', 'm'],
      ['embed', '_'],
      ['strings', '.'],
      ['os', undefined],
      ['late', undefined],
    ]);
    expect(text.slice(head?.imports.at(-1)?.end)).toMatch(/^\n\nvar s/);
    expect(text.slice(head?.doc?.start, head?.doc?.end)).toBe('/* package wrong */\n// Package p is it.');
  });

  test.each(['', 'hello', '// package p', 'import "x"\npackage p', '"package" p'])('no head in %j', (text) => {
    expect(parseGoHead(text)).toBeUndefined();
  });

  test.each([
    'package p\nimport (',
    'package p\nimport',
    'package p\nimport ( "a" nonsense )',
    'package p\nimport ("a" "b")',
    'package p\nimport (m)',
  ])('a broken import ends the head and is a problem: %j', (text) => {
    const head = parseGoHead(text);
    expect(head?.packageName).toBe('p');
    expect(head?.problem).toBeDefined();
  });
});

describe('parseGoFile', () => {
  test('names every declaration with its kind and extent', () => {
    const text = `package p

// T is documented.
type T[K comparable] struct{ f func() }

type (
	a = int
	b interface{ m() }
)

const x, y = 1, 2

var (
	v    = struct{ n int }{1}
	w, _ = 3, 4
)

//go:noinline
func (t *T[K]) method() (func(), error) {
	return nil, nil
}

func generic[S ~[]E, E any](s S) { _ = \`}\` }
func outside(int)
`;
    const file = parseGoFile(text);
    expect(
      file?.declarations.map(({ kind, names, receiver, start, end }) => [
        kind,
        names.map(({ name }) => name).join(' '),
        receiver,
        text.slice(start, end).split('\n')[0],
        text.slice(start, end).at(-1),
      ]),
    ).toEqual([
      ['type', 'T', undefined, 'type T[K comparable] struct{ f func() }', '}'],
      ['type', 'a b', undefined, 'type (', ')'],
      ['const', 'x y', undefined, 'const x, y = 1, 2', '2'],
      ['var', 'v w _', undefined, 'var (', ')'],
      ['method', 'method', 'T', 'func (t *T[K]) method() (func(), error) {', '}'],
      ['func', 'generic', undefined, 'func generic[S ~[]E, E any](s S) { _ = `}` }', '}'],
      ['func', 'outside', undefined, 'func outside(int)', ')'],
    ]);
    const [first] = file?.declarations ?? [];
    expect(text.slice(first?.doc?.start, first?.doc?.end)).toBe('// T is documented.');
    expect(file?.problem).toBeUndefined();
  });

  test.each([
    ['package p\n\nfunc f() {\n', 'not closed'],
    ['package p\n\nfunc f() }\n', ''],
    ['package p\n\nvar x = "abc\n', ''],
    ['package p\n\nvar x = `abc\n', ''],
    ['package p\n\n/* abc\n', ''],
    ['package p\n\nvar x = (1]\n', ''],
    ['package p\n\nfoo\n', ''],
    ['package p\n\n<<<<<<< HEAD\nvar x = 1\n=======\nvar x = 2\n>>>>>>> topic\n', ''],
    ['package p\n\nvar x = 1\u0000\n', ''],
    ['package p\n\nfunc f() {}\nimport "fmt"\n', ''],
  ])('says what is no Go: %j', (text) => {
    expect(parseGoFile(text)?.problem?.message).toBeTruthy();
  });

  test('a byte order mark may stand first, and nowhere else', () => {
    expect(parseGoFile('\uFEFFpackage p\n')).toMatchObject({ packageName: 'p' });
    expect(parseGoFile('\uFEFFpackage p\n')?.problem).toBeUndefined();
    expect(parseGoFile('package p\n\uFEFFvar x = 1\n')?.problem).toBeDefined();
  });
});
