/** Reading Go beside Go's own parser, and putting code at random cursors. */
import { readFileSync } from 'node:fs';
import { parseGoFile } from '../../src/core/go/file.ts';
import { buildOracle, standardFiles } from '../go/source/facts.ts';
import { insertAtRandom } from '../go/source/insertions.ts';

/** What was measured. */
export interface SourceFigures {
  readonly files: number;
  /** Milliseconds for all files: ours, and go/parser's with comments and without resolving objects. */
  readonly ours: number;
  readonly parser: number;
  readonly cursors: number;
  readonly damaged: number;
}

const CURSORS = 3000;

/**
 * Reads the standard library in both, from memory, and puts a declaration with imports at random cursors of it.
 * @throws Error if Go cannot build the program that judges.
 */
export function measureSource(): SourceFigures {
  const oracle = buildOracle();
  const files = standardFiles();
  const texts = files.map((file) => readFileSync(file, 'utf8'));
  const began = performance.now();
  texts.forEach(parseGoFile);
  const ours = performance.now() - began;
  const parser = Number(/^go\/parser (\d+) ms$/m.exec(oracle('facts', files.join('\n')).stdout)?.[1]);
  const insertions = insertAtRandom(files, CURSORS, '\n');
  const { stdout } = oracle('verdicts', insertions.map((one) => JSON.stringify(one)).join('\n'));
  const { tried = 0, damaged = 0 } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}') as Record<string, number>;
  return { files: files.length, ours, parser, cursors: tried, damaged };
}
