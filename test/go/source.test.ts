import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { isBuilt, tagsFor } from '../../src/core/go/constraint.ts';
import { parseGoFile } from '../../src/core/go/file.ts';
import { isStandard } from '../../src/core/go/imports.ts';
import { packageOf } from '../../src/core/go/package.ts';
import { lineEnd } from '../../src/core/go/text.ts';
import { insertCases } from '../unit/support/cursor.ts';
import { buildOracle, factsOf, goEnv, standardFiles } from './source/facts.ts';
import { type Insertion, insertAt, insertAtRandom } from './source/insertions.ts';

// What the core reads from Go, and does to it, is held to Go's own scanner, parser and formatter.

const SLOW = 300_000;
const oracle = buildOracle();
const files = standardFiles();

test('every file of the standard library is read as go/scanner and go/parser read it', { timeout: SLOW }, () => {
  expect(files.length).toBeGreaterThan(4000);
  const { stdout } = oracle('facts', files.join('\n'));
  const lines = stdout.split('\n');
  const different: string[] = [];
  let compared = 0;
  let milliseconds = 0;
  files.forEach((file, index) => {
    if (lines[index] === 'error') {
      return;
    }
    compared++;
    const text = readFileSync(file, 'utf8');
    const facts = factsOf(text);
    const began = performance.now();
    parseGoFile(text);
    milliseconds += performance.now() - began;
    if (facts !== lines[index]) {
      different.push(`${file}\n  go: ${lines[index]}\n  ts: ${facts}`);
    }
  });
  console.log(`${compared} files compared; ${lines[files.length]}, core ${milliseconds.toFixed(0)} ms`);
  expect(different.slice(0, 3).map((one) => one.slice(0, 4000))).toEqual([]);
  expect(compared).toBeGreaterThan(files.length - 20);
});

describe('inserting declarations with imports', () => {
  test('at every cursor of the files that once defeated it: none is damaged', { timeout: SLOW }, () => {
    const insertions = insertCases.flatMap(([name, { text }]) =>
      Array.from({ length: text.length + 1 }, (_, cursor) => ({
        name: `${name} at ${cursor}`,
        ...insertAt(text, cursor, lineEnd(text)),
      })),
    );
    const { stdout } = oracle('verdicts', insertions.map((one) => JSON.stringify(one)).join('\n'));
    const counts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, number>;
    expect(counts.tried).toBe(insertions.length);
    expect(counts.damaged ?? 0, stdout.slice(0, 5000)).toBe(0);
  });

  const cursors = Number(process.env.CURSORS ?? 3000);

  test.each([['\n'], ['\r\n']])(
    `${cursors} random cursors in files with %j: none damages its file`,
    { timeout: SLOW * 4 },
    (eol) => {
      const insertions: Insertion[] = insertAtRandom(files, cursors, eol);
      expect(insertions.length).toBeGreaterThan(cursors * 0.9);
      const { stdout, stderr } = oracle('verdicts', insertions.map((one) => JSON.stringify(one)).join('\n'));
      console.log(stdout, stderr);
      const counts = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, number>;
      expect(counts.tried).toBe(insertions.length);
      expect(counts.damaged ?? 0, stdout).toBe(0);
    },
  );
});

test('files are built where go/build builds them, by name and by constraint', { timeout: SLOW }, () => {
  const systems = ['linux/amd64', 'windows/arm64', 'darwin/arm64', 'android/arm64', 'illumos/amd64', 'js/wasm'];
  const minor = Number(/^go1\.(\d+)/.exec(goEnv('GOVERSION'))?.[1]);
  const { stdout } = oracle('built', files.join('\n'));
  const lines = stdout.split('\n');
  const different = files.flatMap((file, index) => {
    const text = readFileSync(file, 'utf8');
    const on = systems.filter((system) => {
      const [os = '', processor = ''] = system.split('/');
      return isBuilt(path.basename(file), text, tagsFor(os, processor, minor, system !== 'js/wasm'));
    });
    return on.join(' ') === lines[index] ? [] : [`${file}\n  go: ${lines[index]}\n  ts: ${on.join(' ')}`];
  });
  expect(different.slice(0, 5)).toEqual([]);
});

test('packages of the standard library have the names that go list says', { timeout: SLOW }, () => {
  const listed = spawnSync('go', ['list', '-f', '{{.ImportPath}} {{.Name}} {{.Dir}}', 'std'], { encoding: 'utf8' });
  const packages = listed.stdout.trim().split('\n');
  expect(packages.length).toBeGreaterThan(150);
  for (const line of packages) {
    const [importPath = '', name, folder = ''] = line.split(' ');
    const sources = readdirSync(folder)
      .filter((file) => file.endsWith('.go'))
      .map((file) => ({ name: file, text: readFileSync(path.join(folder, file), 'utf8') }));
    expect(packageOf(sources), importPath).toEqual({ name, conflicting: [] });
    expect(isStandard(importPath), importPath).toBe(true);
  }
  expect(['myapp/x', 'acme', 'github.com/a/b', 'example.com'].filter(isStandard)).toEqual([]);
});
