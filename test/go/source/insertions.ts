/** Puts a declaration and imports into Go files at random cursors, as Insert Pattern does. */
import { readFileSync } from 'node:fs';
import { type GoImport, importsOf, parseGoFile } from '../../../src/core/go/file.ts';
import { planInsertion } from '../../../src/core/go/insertion.ts';
import { packageNamesIn } from '../../../src/core/go/names.ts';
import { applyChanges } from '../../../src/core/go/text.ts';

/** A file before and after. */
export interface Insertion {
  readonly name: string;
  readonly before: string;
  readonly after: string;
  readonly imports: readonly string[];
}

const NEEDED: readonly GoImport[] = [
  { path: 'context' },
  { path: 'errors' },
  { path: 'sync/atomic' },
  { path: 'github.com/acme/lib' },
  { path: 'go.opentelemetry.io/otel', name: 'otelx' },
];

/** One cursor in each of a number of files, taken evenly and again where there are fewer. */
export function insertAtRandom(files: readonly string[], cursors: number, eol: string): Insertion[] {
  const random = generator(42);
  const insertions: Insertion[] = [];
  for (let count = 0; count < cursors; count++) {
    const name = files[Math.floor((count * files.length) / cursors) % files.length] ?? '';
    const before = readFileSync(name, 'utf8').replace(/\r?\n/g, eol);
    if (before.length > 200_000) {
      continue; // ten of the standard library's, tables; Go would spend its time on them
    }
    const cursor = Math.floor(random() * (before.length + 1));
    insertions.push({ name: `${name} at ${cursor}`, ...insertAt(before, cursor, eol) });
  }
  return insertions;
}

/** Puts the marker into a text at a cursor. */
export function insertAt(before: string, cursor: number, eol = '\n'): Omit<Insertion, 'name'> {
  const file = parseGoFile(before);
  if (!file || file.problem) {
    return { before, after: before, imports: [] };
  }
  const imports = importsOf(file).some(({ path }) => path === 'embed') ? NEEDED.slice(0, 2) : NEEDED;
  const needs = { imports, used: new Set<string>(), declared: new Set(packageNamesIn(file)) };
  const { imports: changes, place } = planInsertion(before, file, cursor, needs);
  const text = `${place.before}func zzzMarker() {${eol}\t_ = 1${eol}}${place.after}`;
  const after = applyChanges(before, [...changes, { start: place.start, end: place.end, text }]);
  return { before, after, imports: imports.map(({ path }) => path) };
}

/** Numbers from 0 to 1, the same each time (Lehmer's generator). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
