import { describe, expect, test } from 'vitest';
import { relocate, sortImports } from '../../src/core/scaffold/layout.ts';
import { resolveMarkers } from '../../src/core/scaffold/markers.ts';
import {
  COMPONENTS,
  type Component,
  decodeOptions,
  defaultOptions,
  encodeOptions,
  holds,
} from '../../src/core/scaffold/options.ts';
import { combinationOf, mergeCombinations, selectModules } from '../../src/core/scaffold/serviceModules.ts';

const on = (...components: Component[]) => ({ components: new Set(components), layout: 'recommended' as const });

test.each([
  ['grpc', ['grpc'], true],
  ['grpc', ['kafka'], false],
  ['grpc kafka', ['grpc'], false],
  ['grpc kafka', ['grpc', 'kafka'], true],
  ['redis|kafka', ['kafka'], true],
  ['redis|kafka grpc', ['kafka'], false],
  ['recommended', [], true],
  ['feature|platform', [], false],
] as const)('the condition %j with %j is %s', (condition, components, expected) => {
  expect(holds(condition, on(...components))).toBe(expected);
});

describe('resolveMarkers', () => {
  test('takes every form of comment and leaves other lines as they are', () => {
    const text =
      'a\n\t// scaffold:if grpc\n\tb\n\t// scaffold:end\n# scaffold:if kafka\nc\n# scaffold:end\n<!-- scaffold:if grpc -->\nd\n<!-- scaffold:end -->\n-- scaffold:if redis\ne\n-- scaffold:end\nf // scaffold:if grpc\n';
    expect(resolveMarkers(text, on('grpc'))).toBe('a\n\tb\nd\nf // scaffold:if grpc\n');
  });

  test.each([
    ['nested', '// scaffold:if grpc\n// scaffold:if kafka\n// scaffold:end\n// scaffold:end\n'],
    ['not opened', '// scaffold:end\n'],
    ['not closed', '// scaffold:if grpc\nx\n'],
  ])('refuses markers that are %s', (_, text) => {
    expect(() => resolveMarkers(text, on('grpc'))).toThrow(RangeError);
  });
});

describe('relocate', () => {
  test('moves the template’s own folders, not those of other modules', () => {
    const text =
      'import "example.com/shopfront/pkg/logger"\nimport "github.com/twmb/franz-go/pkg/kgo"\nfiles: ["**/pkg/**", ./pkg/x, pkg/**]\n';
    expect(relocate(text, 'platform')).toBe(
      'import "example.com/shopfront/internal/platform/logger"\nimport "github.com/twmb/franz-go/pkg/kgo"\nfiles: ["**/internal/platform/**", ./internal/platform/x, internal/platform/**]\n',
    );
    expect(relocate('internal/adapter/http/server.go', 'feature')).toBe('internal/ordering/adapter/http/server.go');
    expect(relocate('internal/infrastructure/redis/client.go', 'feature')).toBe(
      'internal/infrastructure/redis/client.go',
    );
    expect(relocate('pkg/health/health.go', 'feature')).toBe('internal/platform/health/health.go');
    expect(relocate(text, 'recommended')).toBe(text);
  });

  test('imports are sorted within their groups again', () => {
    expect(
      sortImports('package p\n\nimport (\n\t"z"\n\t"a"\n\n\tx "m/ordering/c"\n\t"m/domain" // why\n)\n\nvar s = 1\n'),
    ).toBe('package p\n\nimport (\n\t"a"\n\t"z"\n\n\t"m/domain" // why\n\tx "m/ordering/c"\n)\n\nvar s = 1\n');
  });
});

describe('options in a URI or an argument', () => {
  test('come back as they were', () => {
    const options = {
      ...defaultOptions('github.com/acme/orders'),
      components: new Set<Component>(['grpc']),
      layout: 'feature' as const,
    };
    expect(decodeOptions(encodeOptions(options))).toEqual(options);
    expect(decodeOptions({ ...options, components: [...options.components] })).toEqual(options);
    expect(decodeOptions(encodeOptions({ ...options, components: new Set() })).components.size).toBe(0);
  });

  test('what is missing or unknown takes its default', () => {
    expect(decodeOptions({ modulePath: 7, components: 'x', layout: 'y' })).toEqual({
      ...defaultOptions(''),
      components: new Set(),
    });
    expect(decodeOptions({})).toEqual(defaultOptions(''));
    expect(decodeOptions({ components: ['grpc', 'evil'] }).components).toEqual(new Set(['grpc']));
  });
});

test('the requirements of each combination come back from their merged form', () => {
  const texts = Array.from(
    { length: 16 },
    (_, combination) =>
      `module m\n\nrequire (\n\tbase\n${['grpc', 'pgx', 'redis', 'kafka']
        .filter((__, bit) => (combination >> bit) & 1)
        .map((line) => `\t${line}\n`)
        .join('')})\n`,
  );
  const merged = mergeCombinations(texts);
  const modules = { 'go.mod': merged, 'go.sum': [] };
  texts.forEach((text, combination) => {
    const components = new Set(COMPONENTS.filter((_, bit) => bit < 4 && (combination >> bit) & 1));
    expect(combinationOf(components)).toBe(combination);
    expect(selectModules(modules, 'go.mod', components)).toBe(text);
  });
  expect(selectModules(modules, 'main.go', new Set())).toBeUndefined();
});

test('a path that ends with the folder moves, a longer name does not', () => {
  expect(relocate('"example.com/shopfront/internal/domain"', 'feature')).toBe(
    '"example.com/shopfront/internal/ordering/domain"',
  );
  expect(relocate('- example.com/shopfront/pkg\n- github.com/twmb/franz-go/pkg\n', 'platform')).toBe(
    '- example.com/shopfront/internal/platform\n- github.com/twmb/franz-go/pkg\n',
  );
  expect(relocate('mayDependOn: [pkg]', 'platform')).toBe('mayDependOn: [pkg]');
  expect(relocate('internal/domains internal/domain-x', 'feature')).toBe('internal/domains internal/domain-x');
});
