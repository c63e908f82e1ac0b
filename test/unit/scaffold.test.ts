import { describe, expect, test } from 'vitest';
import { fileTree } from '../../src/core/scaffold/fileTree.ts';
import { defaultOptions } from '../../src/core/scaffold/options.ts';
import { PlanError, planScaffold } from '../../src/core/scaffold/plan.ts';
import { type RenderedFile, renderService } from '../../src/core/scaffold/render.ts';
import { WriteError, writePlan } from '../../src/core/scaffold/write.ts';
import { serviceAssets } from './support/knowledge.ts';
import { MemoryFiles } from './support/memoryFiles.ts';

const RENDERED: readonly RenderedFile[] = [
  { path: 'README.md', text: 'readme' },
  { path: 'cmd/server/main.go', text: 'main' },
  { path: 'cmd/server/run.go', text: 'run' },
  { path: 'go.mod', text: 'mod' },
  { path: 'internal/domain/order.go', text: 'order' },
];
const follow = { isCancelled: () => false, onProgress: () => undefined };

describe('renderService', () => {
  test('puts in the module path and the name and drops the marker lines', () => {
    const service = {
      'media/service/go.mod': 'module example.com/shopfront\n',
      'media/service/main.go':
        'import "example.com/shopfront/x"\n\t// scaffold:if grpc\n\tserve()\n\t// scaffold:end\nconst name = "shopfront"\n',
      'media/service/compose.yaml': 'a: 1\n  # scaffold:if redis|kafka\nb: shopfront\n  # scaffold:end\n',
      'media/service/README.md': '# shopfront\n<!-- scaffold:if deploy -->\nx\n<!-- scaffold:end -->\n',
      'media/other.txt': 'not part of it',
    };
    expect(renderService(service, defaultOptions('github.com/acme/pay/v2'))).toEqual([
      { path: 'README.md', text: '# pay\nx\n' },
      { path: 'compose.yaml', text: 'a: 1\nb: pay\n' },
      { path: 'go.mod', text: 'module github.com/acme/pay/v2\n' },
      { path: 'main.go', text: 'import "github.com/acme/pay/v2/x"\n\tserve()\nconst name = "pay"\n' },
    ]);
  });

  test('refuses a module path that Go refuses', () => {
    expect(() => renderService({}, defaultOptions('orders"; os.Exit(1)'))).toThrow(RangeError);
  });

  test('the real service keeps no trace of its own names or markers', () => {
    const rendered = renderService(serviceAssets, defaultOptions('github.com/acme/orders'));
    expect(rendered.length).toBeGreaterThan(30);
    expect(rendered.filter(({ text }) => /shopfront|scaffold:/i.test(text)).map(({ path }) => path)).toEqual([]);
    expect(rendered.filter(({ path }) => /shopfront/i.test(path))).toEqual([]);
  });

  test('the real service has the recommended tree', () => {
    const paths = renderService(serviceAssets, defaultOptions('example.com/x')).map(({ path }) => path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'go.mod',
        'go.sum',
        'README.md',
        'cmd/server/main.go',
        'internal/domain/user.go',
        'internal/domain/order.go',
        'internal/usecase/user_service.go',
        'internal/usecase/order_service.go',
      ]),
    );
    for (const folder of [
      'internal/adapter/http',
      'internal/adapter/grpc',
      'internal/adapter/repository',
      'internal/infrastructure/postgres',
      'internal/infrastructure/redis',
      'internal/infrastructure/kafka',
      'pkg/logger',
      'pkg/metrics',
      'pkg/tracing',
    ]) {
      expect(
        paths.some((path) => path.startsWith(`${folder}/`) && /(?<!_test)\.go$/.test(path)),
        folder,
      ).toBe(true);
    }
  });
});

describe('plan and write', () => {
  test('writes everything into an empty folder', async () => {
    const target = new MemoryFiles();
    const plan = await planScaffold(RENDERED, target);
    const result = await writePlan(plan, target, follow);
    expect(Object.fromEntries(target.texts)).toEqual(
      Object.fromEntries(RENDERED.map(({ path, text }) => [path, text])),
    );
    expect(result).toEqual({
      files: RENDERED.map(({ path }) => path),
      folders: ['cmd', 'cmd/server', 'internal', 'internal/domain'],
      skipped: [],
    });
  });

  test('leaves what exists alone and names it', async () => {
    const target = new MemoryFiles({ 'go.mod': 'mine', 'cmd/server/main.go': 'mine too' });
    const plan = await planScaffold(RENDERED, target);
    expect(plan.skip).toEqual(['cmd/server/main.go', 'go.mod']);
    await writePlan(plan, target, follow);
    expect(target.texts.get('go.mod')).toBe('mine');
    expect(target.texts.get('cmd/server/main.go')).toBe('mine too');
    expect(target.texts.get('README.md')).toBe('readme');
  });

  test('leaves a file alone that appears between plan and write', async () => {
    const target = new MemoryFiles();
    const plan = await planScaffold(RENDERED, target);
    target.texts.set('go.mod', 'somebody was faster');
    const result = await writePlan(plan, target, follow);
    expect(result.skipped).toEqual(['go.mod']);
    expect(target.texts.get('go.mod')).toBe('somebody was faster');
  });

  test.each([
    ['a file stands where a folder is needed', new MemoryFiles({ cmd: 'a file' }), '"cmd" is a file'],
    ['a folder is a link', linked('internal'), '"internal" is a symbolic link'],
  ])('refuses when %s', async (_, target, message) => {
    const before = target.snapshot();
    await expect(planScaffold(RENDERED, target)).rejects.toThrow(PlanError);
    await expect(planScaffold(RENDERED, target)).rejects.toThrow(message);
    expect(target.snapshot()).toEqual(before);
  });

  test('skips a file that is a link', async () => {
    const target = new MemoryFiles();
    target.links.add('go.mod');
    expect((await planScaffold(RENDERED, target)).skip).toEqual(['go.mod']);
  });

  // Five files and, with the target itself, five folders, one of which exists.
  test.each(Array.from({ length: 10 }, (_, index) => index))('a fault at write %i restores the folder', async (at) => {
    const target = new MemoryFiles({ 'mine.txt': 'mine', 'internal/keep.go': 'keep' });
    const before = target.snapshot();
    const plan = await planScaffold(RENDERED, target);
    let operation = 0;
    target.onWrite = () => {
      if (operation++ === at) {
        throw new Error('no space left on device');
      }
    };
    const writing = writePlan(plan, target, follow);
    await expect(writing).rejects.toThrow(
      'Writing failed: no space left on device. What had been created was removed again.',
    );
    expect(target.snapshot()).toEqual(before);
  });

  test.each([0, 1, 3, 5])('cancelling after %i files restores the folder', async (files) => {
    const target = new MemoryFiles({ 'mine.txt': 'mine' });
    const before = target.snapshot();
    let written = 0;
    const writing = writePlan(await planScaffold(RENDERED, target), target, {
      isCancelled: () => written++ >= files,
      onProgress: () => undefined,
    });
    await expect(writing).rejects.toMatchObject({ cancelled: true, left: [] });
    expect(target.snapshot()).toEqual(before);
  });

  test('does not remove a file that somebody changed in the meantime, and says so', async () => {
    const target = new MemoryFiles();
    const plan = await planScaffold(RENDERED, target);
    target.onWrite = (_, path) => {
      if (path === 'internal') {
        target.texts.set('README.md', 'edited');
        throw new Error('fault');
      }
    };
    const error = await writePlan(plan, target, follow).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(WriteError);
    expect(error).toMatchObject({ left: ['README.md'], message: expect.stringContaining('README.md') });
    expect([...target.texts]).toEqual([['README.md', 'edited']]);
  });
});

test('fileTree puts folders first, by name', () => {
  expect(fileTree(['b.go', 'a/z.go', 'a/b/c.go', 'A.md'])).toEqual([
    { name: 'a', children: [{ name: 'b', children: [{ name: 'c.go' }] }, { name: 'z.go' }] },
    { name: 'A.md' },
    { name: 'b.go' },
  ]);
});

function linked(path: string): MemoryFiles {
  const files = new MemoryFiles();
  files.links.add(path);
  return files;
}
