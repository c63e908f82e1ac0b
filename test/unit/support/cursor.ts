import { readdirSync, readFileSync } from 'node:fs';

/** A text with the place that its mark shows. */
export interface Marked {
  readonly text: string;
  readonly cursor: number;
}

/** Takes the mark out of a text. */
export function marked(text: string, mark = '‸'): Marked {
  return { text: text.replace(mark, ''), cursor: text.indexOf(mark) };
}

const FOLDER = 'test/fixtures/insert';

/** Go files that once defeated the placing of code, each with a cursor. */
export const insertCases: readonly (readonly [string, Marked])[] = readdirSync(FOLDER).map((name) => [
  name.replace(/\.go\.txt$/, ''),
  marked(readFileSync(`${FOLDER}/${name}`, 'utf8')),
]);
