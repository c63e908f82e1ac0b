import { describe, expect, test } from 'vitest';
import { folderOf, journalEntry, parseJournal, undoScaffold } from '../../src/core/scaffold/journal.ts';
import { planScaffold } from '../../src/core/scaffold/plan.ts';
import { writePlan } from '../../src/core/scaffold/write.ts';
import { MemoryFiles } from './support/memoryFiles.ts';

const RENDERED = [
  { path: 'README.md', text: 'readme' },
  { path: 'cmd/server/main.go', text: 'main' },
  { path: 'internal/domain/order.go', text: 'order' },
];

async function scaffolded(before: Record<string, string> = {}) {
  const target = new MemoryFiles(before);
  const untouched = target.snapshot();
  const plan = await planScaffold(RENDERED, target);
  const result = await writePlan(plan, target, { isCancelled: () => false, onProgress: () => undefined });
  const entry = await journalEntry('file:///x', 'example.com/x', '2026-11-22T00:00:00Z', plan.create, result.folders);
  return { target, untouched, entry };
}

describe('undoScaffold', () => {
  test('restores the folder exactly', async () => {
    const { target, untouched, entry } = await scaffolded({ 'mine.txt': 'mine', 'internal/keep.go': 'keep' });
    expect(target.snapshot()).not.toEqual(untouched);
    const result = await undoScaffold(parseJournal(JSON.stringify([entry]))[0] ?? entry, target);
    expect(target.snapshot()).toEqual(untouched);
    expect(result).toEqual({ removed: RENDERED.map(({ path }) => path), left: [], failed: [], leftFolders: [] });
  });

  test('leaves what was changed, and the folders that hold it, and says so', async () => {
    const { target, entry } = await scaffolded();
    target.texts.set('internal/domain/order.go', 'order, edited');
    target.texts.set('cmd/server/extra.go', 'added by the user');
    const { left } = await undoScaffold(entry, target);
    expect(left).toEqual(['internal/domain/order.go']);
    expect([...target.texts.keys()].sort()).toEqual(['cmd/server/extra.go', 'internal/domain/order.go']);
    expect([...target.folders].sort()).toEqual(['', 'cmd', 'cmd/server', 'internal', 'internal/domain']);
  });

  test('does not follow a file that became a link', async () => {
    const { target, entry } = await scaffolded();
    target.links.add('README.md');
    expect((await undoScaffold(entry, target)).left).toEqual(['README.md']);
  });

  test('passes over what the user has deleted', async () => {
    const { target, entry } = await scaffolded();
    target.texts.delete('README.md');
    expect((await undoScaffold(entry, target)).left).toEqual([]);
  });

  test('never removes what it skipped', async () => {
    const { target, entry } = await scaffolded({ 'README.md': 'readme' });
    await undoScaffold(entry, target);
    expect([...target.texts]).toEqual([['README.md', 'readme']]);
  });
});

test.each([
  [['services/orders/README.md', 'services/orders/cmd/main.go'], 'services/orders'],
  [['services/orders/cmd/server/main.go'], 'services/orders/cmd/server'],
  [['README.md', 'cmd/main.go'], ''],
  [['a/b/x', 'a/bc/x'], 'a'],
  [[], ''],
])('the files %j are in %j', (paths, folder) => {
  const files = paths.map((path) => ({ path, sha256: '' }));
  expect(folderOf({ target: '', modulePath: '', createdAt: '', files, folders: [] })).toBe(folder);
});

describe('parseJournal', () => {
  const good = {
    target: 'file:///x',
    modulePath: 'm',
    createdAt: 't',
    files: [{ path: 'a/b', sha256: 'h' }],
    folders: ['a'],
  };

  test.each([
    ['no JSON', 'nonsense'],
    ['no list', '{}'],
    ['nothing', '[null, 1, "x"]'],
    ['a path that leads out', JSON.stringify([{ ...good, files: [{ path: '../../etc/passwd', sha256: 'h' }] }])],
    ['an absolute path', JSON.stringify([{ ...good, files: [{ path: '/etc/passwd', sha256: 'h' }] }])],
    ['a path with back-slashes', JSON.stringify([{ ...good, files: [{ path: '..\\..\\x', sha256: 'h' }] }])],
    ['a folder that leads out', JSON.stringify([{ ...good, folders: ['..'] }])],
  ])('takes nothing from %s', (_, text) => {
    expect(parseJournal(text)).toEqual([]);
  });

  test('reads what was written', () => {
    expect(parseJournal(JSON.stringify([good]))).toEqual([good]);
  });
});
