import { describe, expect, test } from 'vitest';
import { goModGap, parseGoMod } from '../../src/core/go/goMod.ts';
import { describeWorkspace, workspaceFacts } from '../../src/core/workspace/facts.ts';

describe('parseGoMod', () => {
  test('reads module, version and direct requirements', () => {
    const text = `// a comment
module "example.com/shop" // trailing

go 1.26.0
toolchain go1.26.8

require github.com/jackc/pgx/v5 v5.10.0
require (
	go.uber.org/goleak v1.3.0
	golang.org/x/sync v0.22.0 // indirect
)
replace example.com/a => ../a
exclude (
	example.com/b v1.0.0
)
`;
    expect(parseGoMod(text)).toEqual({
      path: 'example.com/shop',
      goVersion: '1.26.0',
      toolchain: 'go1.26.8',
      requires: ['github.com/jackc/pgx/v5 v5.10.0', 'go.uber.org/goleak v1.3.0'],
      indirect: ['golang.org/x/sync v0.22.0'],
      replaces: ['example.com/a'],
      tools: [],
      ignores: [],
    });
  });

  test.each(['', 'go 1.26', 'garbage\n)('])('no module in %j', (text) => {
    expect(parseGoMod(text)).toBeUndefined();
  });
});

describe('workspaceFacts', () => {
  const facts = workspaceFacts(
    new Map([
      ['go.mod', 'module example.com/mono\ngo 1.26.0\n'],
      ['services/pay/go.mod', 'module example.com/mono/services/pay\ngo 1.25.0\nrequire example.com/x v1.0.0\n'],
      ['broken/go.mod', 'not a module'],
    ]),
    [
      'main.go',
      'internal/domain/order.go',
      'internal/domain/user.go',
      'services/pay/main.go',
      'services/pay/internal/a/b/c/d.go',
      'broken/x.go',
    ],
    false,
  );

  test('gives each file to the nearest module above it', () => {
    expect(facts.modules.map(({ path, packages }) => [path, packages])).toEqual([
      ['example.com/mono', ['.', 'broken', 'internal/domain']],
      ['example.com/mono/services/pay', ['.', 'internal/a/b/c']],
    ]);
  });

  test('describes them in a few lines', () => {
    expect(describeWorkspace(facts)).toMatchInlineSnapshot(`
      "module example.com/mono, go 1.26.0
        packages: ., broken, internal/domain
      module example.com/mono/services/pay (folder services/pay), go 1.25.0
        packages: ., internal/a/b
        direct requirements: example.com/x v1.0.0"
    `);
  });

  test('stays short for a large workspace', () => {
    const many = workspaceFacts(
      new Map(Array.from({ length: 40 }, (_, module) => [`m${module}/go.mod`, `module example.com/m${module}`])),
      Array.from({ length: 4000 }, (_, file) => `m${file % 40}/pkg${file}/x.go`),
      true,
    );
    const text = describeWorkspace(many);
    expect(text.length).toBeLessThan(5000);
    expect(text).toContain('and 32 more modules');
    expect(text).toContain('only a part');
  });

  test('is empty where there is no Go', () => {
    expect(describeWorkspace(workspaceFacts(new Map(), [], false))).toBe('');
  });
});

describe('goModGap', () => {
  const wanted =
    'module m\n\ngo 1.26.0\n\nrequire (\n\ta.io/x v1.0.0\n\tb.io/y v2.0.0 // indirect\n\tc.io/z v3.0.0\n)\n';

  test.each([
    ['module n\n\ngo 1.24\n\nrequire a.io/x v0.9.0\n', ['a.io/x v1.0.0', 'c.io/z v3.0.0'], '1.26.0'],
    [
      'module n\n\ngo 1.26\nrequire (\n\ta.io/x v1.0.0 // indirect\n\tc.io/z v0.1.0\n)\nreplace c.io/z => ../z\n',
      [],
      undefined,
    ],
    ['module n\n\ngo 1.26\n', ['a.io/x v1.0.0', 'c.io/z v3.0.0'], undefined],
    ['module n\n\ngo 1.26.3\n', ['a.io/x v1.0.0', 'c.io/z v3.0.0'], undefined],
    ['module n\n', ['a.io/x v1.0.0', 'c.io/z v3.0.0'], '1.26.0'],
    ['module n\n\ngo 2.0\nrequire (\n\ta.io/x v1.0.0\n\tc.io/z v3.1.0\n)\n', [], undefined],
  ])('%j', (present, requirements, goVersion) => {
    expect(goModGap(wanted, present)).toEqual({ requirements, goVersion });
  });
});
