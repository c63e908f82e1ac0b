/** The names of the template give way to those of the user, in one pass and completely. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { existingPathProblem, serviceName } from '../../src/core/go/modulePath.ts';
import { COMPONENT_FILES, isRendered } from '../../src/core/scaffold/componentFiles.ts';
import { COMPONENTS, defaultOptions, LAYOUTS, type ScaffoldOptions } from '../../src/core/scaffold/options.ts';
import { renderService } from '../../src/core/scaffold/render.ts';
import { serviceAssets } from './support/knowledge.ts';

const render = (options: ScaffoldOptions) =>
  new Map(renderService(serviceAssets, options).map(({ path, text }) => [path, text]));

// Words of the template itself, and of what is put in, are the ones that a second pass would take for its own.
const element = fc.oneof(
  fc.constantFrom('shopfront', 'shopfront.io', 'example.com', 'orders', 'pkg', 'internal', 'domain', 'cmd', 'a+b', '_'),
  fc.constantFrom('true', 'null', 'on', '1st', 'Orders', 'v2', 'github.com', 'x.shopfront', 'shopfront-api'),
);
const modulePath = fc
  .array(element, { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  .filter((path) => existingPathProblem(path) === undefined);
const options = fc.record({
  modulePath,
  components: fc.subarray([...COMPONENTS]).map((list) => new Set(list)),
  layout: fc.constantFrom(...LAYOUTS),
});

describe('whatever the module path', () => {
  test('the module path is the one that was asked, in go.mod and in every import', () => {
    fc.assert(
      fc.property(options, (given) => {
        const own = 'q7.test/unheard';
        const [files, other] = [render(given), render({ ...given, modulePath: own })];
        expect(files.get('go.mod')?.split('\n')[0]).toBe(`module ${given.modulePath}`);
        expect([...files.keys()]).toEqual([...other.keys()]);
        const name = serviceName(given.modulePath);
        for (const [path, text] of files) {
          const expected = (other.get(path) ?? '').replace(/q7\.test\/unheard|unheard/g, (found) =>
            found === own ? given.modulePath : name,
          );
          expect(text === expected, `${path} of ${given.modulePath}`).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('no name of the template is left', () => {
    for (const layout of LAYOUTS) {
      for (const [path, text] of render({ ...defaultOptions('acme/orders'), layout })) {
        expect(text.match(/shopfront/i), path).toBeNull();
      }
    }
  });
});

test('a module that is called as the template keeps its path', () => {
  const files = render(defaultOptions('github.com/shopfront/orders'));
  expect(files.get('cmd/server/main.go')).toContain('"github.com/shopfront/orders/');
  expect([...files.values()].join('\n')).not.toContain('github.com/orders/orders');
});

test('the registry of images is not the module path', () => {
  const text = render(defaultOptions('github.com/acme/pay')).get('deploy/kubernetes/kustomization.yaml');
  expect(text).toContain('newName: registry.example.com/pay');
});

test('a name that YAML could take for another value stands in quotes', () => {
  const texts = [...render(defaultOptions('example.com/unheard'))].filter(([path]) => /\.ya?ml$/.test(path));
  expect(texts.length).toBeGreaterThan(10);
  for (const [path, text] of texts) {
    expect(
      text.split('\n').filter((line) => /: unheard *(#|$)|- unheard *(#|$)/.test(line)),
      path,
    ).toEqual([]);
  }
});

test('what belongs to a component does not depend on the order of the table', () => {
  const paths = Object.keys(serviceAssets).map((path) => path.replace('media/service/', ''));
  const turned = Object.fromEntries(Object.entries(COMPONENT_FILES).toReversed());
  for (const components of [['postgres'], ['kafka'], ['postgres', 'kafka'], ['redis'], []] as const) {
    const given = { components: new Set(components), layout: 'recommended' as const };
    const rendered = (table: Readonly<Record<string, string>>) =>
      paths.filter((path) => isRendered(path, given, table));
    expect(rendered(turned)).toEqual(rendered(COMPONENT_FILES));
  }
  expect(Object.keys(COMPONENT_FILES).filter((beginning) => !paths.some((path) => path.startsWith(beginning)))).toEqual(
    [],
  );
});
