import { describe, expect, test } from 'vitest';
import { modulePathProblem, serviceName } from '../../src/core/go/modulePath.ts';
import { folderPathProblem } from '../../src/core/scaffold/folder.ts';
import { modulePathFromGit } from '../../src/core/scaffold/gitRemote.ts';
import { parseScaffoldRequest } from '../../src/core/scaffold/request.ts';
import { suggestModulePath } from '../../src/core/scaffold/suggest.ts';
import { MemoryFiles } from './support/memoryFiles.ts';

describe('modulePathProblem', () => {
  test.each([
    'github.com/acme/orders',
    'example.com/x',
    'example.com',
    'github.com/Acme/Orders_2',
    'a-b.c/d.e/f~g',
    'example.com/orders/v2',
    'example.com/orders/v10',
    'gopkg.in/yaml.v3',
    'gopkg.in/user/pkg.v1-unstable',
    'x.y/com10',
    'x.y/com0',
    'orders',
    'acme/orders',
    'Acme/Orders+',
    'localhost/x',
    'example.com/.hidden',
  ])('takes %s', (path) => {
    expect(modulePathProblem(path)).toBeUndefined();
  });

  test.each([
    ['', 'Enter a module path'],
    ['/example.com/x', 'start with a slash'],
    ['example.com/x/', 'end with a slash'],
    ['example.com//x', 'two slashes'],
    ['-example.com/x', 'start with "-"'],
    ['~orders', 'start with "~"'],
    ['vendor', '"vendor"'],
    ['acme/vendor/x', '"vendor"'],
    ['mod/x', 'to itself'],
    ['go', 'to itself'],
    ['example.com/a b', '" "'],
    ['example.com/ä', '"ä"'],
    ['example.com/x;rm -rf', '";"'],
    ['example.com/$(id)', '"$"'],
    ['example.com/../../etc', 'dot'],
    ['example.com/x.', 'dot'],
    ['example.com/CON', 'reserved'],
    ['example.com/aux.go', 'reserved'],
    ['example.com/lpt1', 'reserved'],
    ['example.com/name~1', 'tilde'],
    ['example.com/x/v0', 'major version'],
    ['example.com/x/v1', 'major version'],
    ['example.com/x/v02', 'major version'],
    ['example.com/x/v1.2', 'major version'],
    ['gopkg.in/yaml', 'gopkg.in'],
    ['example.com/a\nb', 'must not stand'],
    ['example.com/"x"', 'must not stand'],
  ])('refuses %j', (path, message) => {
    expect(modulePathProblem(path)).toContain(message);
  });
});

test.each([
  ['github.com/acme/orders', 'orders'],
  ['github.com/acme/orders/v2', 'orders'],
  ['github.com/acme/Order_Service', 'order-service'],
  ['example.com', 'example-com'],
  ['example.com/007', 'service-007'],
  ['example.com/1st', 'service-1st'],
  ['example.com/on', 'on'],
  ['myapp', 'myapp'],
  ['example.com/___', 'service'],
  [`example.com/${'x'.repeat(39)}-y`, 'x'.repeat(39)],
  [`example.com/${'x'.repeat(90)}`, 'x'.repeat(40)],
])('the service of %s is called %s', (path, name) => {
  expect(serviceName(path)).toBe(name);
});

describe('modulePathFromGit', () => {
  const config = (url: string) =>
    `[core]\n\tbare = false\n[remote "upstream"]\n\turl = https://example.org/other\n[remote "origin"]\n\turl = ${url}\n\tfetch = +refs\n[branch "main"]\n`;

  test.each([
    ['git@github.com:acme/orders.git', '', 'github.com/acme/orders'],
    ['https://github.com/acme/orders.git', 'services/pay', 'github.com/acme/orders/services/pay'],
    ['ssh://git@git.example.com:2222/team/orders', '', 'git.example.com/team/orders'],
    ['https://user:secret@example.com/a/b.git', '', 'example.com/a/b'],
  ])('%s in %j', (url, folder, expected) => {
    expect(modulePathFromGit(config(url), folder)).toBe(expected);
  });

  test.each(['/srv/git/orders', '../orders', 'git@localhost:x'])('no module path from %j', (url) => {
    expect(modulePathFromGit(config(url), '')).toBeUndefined();
  });
});

describe('suggestModulePath', () => {
  test('goes below the nearest module', async () => {
    const files = new MemoryFiles({
      'go.mod': 'module example.com/mono\n',
      'services/go.mod': 'module example.com/mono/svc\n',
    });
    expect(await suggestModulePath(files, 'services/orders', 'mono')).toBe('example.com/mono/svc/orders');
    expect(await suggestModulePath(files, 'tools', 'mono')).toBe('example.com/mono/tools');
  });

  test('takes the Git remote, else an example path with the folder’s name', async () => {
    const git = new MemoryFiles({ '.git/config': '[remote "origin"]\nurl = git@github.com:acme/shop.git\n' });
    expect(await suggestModulePath(git, 'orders', 'shop')).toBe('github.com/acme/shop/orders');
    expect(await suggestModulePath(new MemoryFiles(), '', 'My Shop')).toBe('example.com/my-shop');
    expect(await suggestModulePath(new MemoryFiles(), 'a/orders', 'x')).toBe('example.com/orders');
  });
});

test.each([
  ['', 'Enter a folder'],
  ['/etc', 'below the workspace'],
  ['C:\\x', 'below the workspace'],
  ['../x', '".."'],
  ['a/../../x', '".."'],
  ['a//b', 'empty'],
  ['a\\..\\b', 'works everywhere'],
  ['a/con', 'reserved'],
  ['x/.git', 'Git'],
  ['a/b ', 'works everywhere'],
  ['a\u0000b', 'works everywhere'],
])('the folder %j is refused', (path, message) => {
  expect(folderPathProblem(path)).toContain(message);
});

test('ordinary folders are taken', () => {
  expect(['orders', 'services/orders', '.hidden/x-1', 'ünï/çode'].map(folderPathProblem)).toEqual(
    Array(4).fill(undefined),
  );
});

test.each([
  ['an order service with gRPC, module github.com/acme/orders', 'github.com/acme/orders'],
  ['module path: `example.com/orders`.', 'example.com/orders'],
  ['like https://github.com/acme/old but module example.com/new', 'example.com/new'],
  ['into github.com/acme/pay, please', 'github.com/acme/pay'],
  ['an order service and/or a payment service', undefined],
  ['module ../../etc/passwd', undefined],
  ['', undefined],
])('%j asks for %s', (sentence, modulePath) => {
  expect(parseScaffoldRequest(sentence).modulePath).toBe(modulePath);
});

describe('the components and the layout in a sentence', () => {
  test.each([
    ['an order service', undefined, undefined],
    ['an order service with gRPC and Kafka, module github.com/acme/orders', 'grpc kafka deploy ci', undefined],
    ['everything without redis', 'grpc postgres kafka deploy ci', undefined],
    ['no kafka, no ci', 'grpc postgres redis deploy', undefined],
    ['postgres and redis without docker or github actions', 'postgres redis', undefined],
    ['a minimal service', '', undefined],
    ['in module github.com/acme/cache', undefined, undefined],
    ['feature-first, with Postgres', 'postgres deploy ci', 'feature'],
    ['with internal/platform', undefined, 'platform'],
  ])('%j', (sentence, components, layout) => {
    const request = parseScaffoldRequest(sentence);
    expect(request.components && [...request.components].join(' ')).toBe(components);
    expect(request.layout).toBe(layout);
  });
});
