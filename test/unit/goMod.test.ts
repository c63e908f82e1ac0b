/** What stands in a go.mod or go.work; test/go/xmod.test.ts compares it with Go's own reading. */
import { expect, test } from 'vitest';
import { directivesOf, parseGoMod, parseGoWork } from '../../src/core/go/goMod.ts';

test.each([
  ['a block without a space', 'module a.b/c\nrequire(\n\td.e/f v1.0.0\n)\n', ['d.e/f v1.0.0']],
  ['a block of the module line', 'module (\n\ta.b/c\n)\nrequire d.e/f v1.0.0\n', ['d.e/f v1.0.0']],
  ['a quoted path', 'module "a.b/c"\nrequire "d.e/f" v1.0.0\n', ['d.e/f v1.0.0']],
  ['a comment that begins like the mark', 'module a.b/c\nrequire d.e/f v1.0.0 // indirectly\n', ['d.e/f v1.0.0']],
  ['the mark', 'module a.b/c\nrequire d.e/f v1.0.0 //indirect\n', []],
  ['the mark with a reason', 'module a.b/c\nrequire d.e/f v1.0.0 // indirect; for tests\n', []],
  ['a comment right behind a word', 'module a.b/c// why\nrequire d.e/f v1.0.0//why\n', ['d.e/f v1.0.0']],
  ['CRLF', 'module a.b/c\r\nrequire (\r\n\td.e/f v1.0.0\r\n)\r\n', ['d.e/f v1.0.0']],
  ['an empty block', 'module a.b/c\nrequire ()\n', []],
  ['an excluded version', 'module a.b/c\nexclude d.e/f v1.0.0\n', []],
  ['a block of no known kind', 'module a.b/c\nrequire x (\n\td.e/f v1.0.0\n)\n', []],
])('%s', (_, text, requires) => {
  expect(parseGoMod(text)).toMatchObject({ path: 'a.b/c', requires });
});

test('reads what is replaced, ignored and used as a tool', () => {
  const text =
    'module myapp\n\nignore ./node_modules\nignore (\n\t"./a b"\n\tstatic\n)\ntool a.b/c/cmd/d\nreplace a.b/c => ../c\nreplace d.e/f v1.0.0 => g.h/i v1.2.0\n';
  expect(parseGoMod(text)).toMatchObject({
    path: 'myapp',
    ignores: ['./node_modules', './a b', 'static'],
    tools: ['a.b/c/cmd/d'],
    replaces: ['a.b/c', 'd.e/f'],
  });
});

test('reads the modules of a workspace', () => {
  expect(parseGoWork('go 1.26.0\n\nuse ./api\nuse (\n\t./pay // why\n\t"./a b"\n)\n')).toEqual({
    goVersion: '1.26.0',
    toolchain: undefined,
    uses: ['./api', './pay', './a b'],
  });
});

// Each of these took time with the square of its size, or could.
test.each<[string, (size: number) => string]>([
  ['a comment of slashes', (n) => `module x.y/z\n${'/'.repeat(n)}\rx\n`],
  ['slashes before U+2028', (n) => `module x.y/z\n${'/'.repeat(n)}\u2028x\n`],
  ['a line of spaces', (n) => `${' '.repeat(n)}x`],
  ['quotes', (n) => '"'.repeat(n)],
  ['back-slashes in a string', (n) => `module "${'\\'.repeat(n)}`],
  ['blocks', (n) => 'x (\n'.repeat(n / 4)],
  ['one long word', (n) => `go ${'1'.repeat(n)}`],
  ['a comment of spaces', (n) => `require a.b/c v1 // indirect;${' '.repeat(n)}`],
])('%s: a million characters are read in a moment', (_, text) => {
  const sample = text(1_000_000);
  const began = performance.now();
  parseGoMod(sample);
  directivesOf(sample);
  expect(performance.now() - began).toBeLessThan(5000);
});
