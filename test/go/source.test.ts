import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseGoFile } from '../../src/core/go/file.ts';
import { buildOracle, factsOf, standardFiles } from './source/facts.ts';
import { type Insertion, insertAtRandom } from './source/insertions.ts';

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
