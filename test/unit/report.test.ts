import { describe, expect, test } from 'vitest';
import { nextCommand, type Outcome, outcomeText, topLevelList } from '../../src/core/scaffold/report.ts';

const done: Outcome = {
  created: 121,
  skipped: 0,
  gap: { requirements: [], goVersion: undefined },
  outsideGoWork: false,
};
const kept = { requirements: ['a.io/a v1', 'b.io/b v1', 'c.io/c v1', 'd.io/d v1'], goVersion: '1.26.0' };

describe('outcomeText', () => {
  test.each<[Partial<Outcome>, string]>([
    [{}, 'Created 121 files. Start it with "go run ./cmd/server".'],
    [
      { created: 1, skipped: 1, outsideGoWork: true },
      'Created 1 file. Left 1 existing file alone. Your go.work does not use it yet.',
    ],
    [{ created: 0, skipped: 121 }, 'Nothing to create. Left 121 existing files alone.'],
    [
      { skipped: 2, gap: kept },
      'Created 121 files. Left 2 existing files alone. Your go.mod lacks for it: go 1.26.0, a.io/a, b.io/b, c.io/c, and 1 more.',
    ],
  ])('%j', (change, text) => {
    expect(outcomeText({ ...done, ...change })).toBe(text);
  });
});

test('a terminal command is offered for a local folder only', () => {
  expect(nextCommand(done, 'file')?.command).toBe('go run ./cmd/server');
  expect(nextCommand({ ...done, skipped: 1 }, 'file')).toBeUndefined();
  expect(nextCommand({ ...done, created: 0 }, 'file')).toBeUndefined();
  expect(nextCommand({ ...done, outsideGoWork: true }, 'file')?.command).toBe('go work use .');
  expect(nextCommand({ ...done, outsideGoWork: true, gap: kept }, 'file')?.command).toBe('go mod tidy');
  for (const scheme of ['vscode-vfs', 'memfs', 'vscode-remote']) {
    expect(nextCommand({ ...done, outsideGoWork: true, gap: kept }, scheme)).toBeUndefined();
  }
});

test('every file is in the list of the top level, once', () => {
  const paths = ['Makefile', 'cmd/server/app.go', 'cmd/server/main.go', 'internal/domain/user.go'];
  expect(topLevelList(paths)).toEqual(['- `cmd/`: 2 files', '- `internal/`: 1 file', '- `Makefile`']);
  expect(topLevelList([])).toEqual([]);
});
