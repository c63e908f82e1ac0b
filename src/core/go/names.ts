import type { GoFile } from './file.ts';
import { CODE, Scanner } from './scanner.ts';
import { applyChanges, type TextChange } from './text.ts';

const BACK_QUOTE = 96;

// https://go.dev/ref/spec#Predeclared_identifiers
export const PREDECLARED: ReadonlySet<string> = new Set(
  `any bool byte comparable complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8
  uint16 uint32 uint64 uintptr true false iota nil append cap clear close complex copy delete imag len make max min new
  panic print println real recover`.split(/\s+/),
);

/** The names that a file declares for its whole package. */
export function packageNamesIn(file: GoFile): string[] {
  return file.declarations
    .filter(({ kind }) => kind !== 'method')
    .flatMap(({ kind, names }) => names.filter(({ name }) => name !== '_' && !(kind === 'func' && name === 'init')))
    .map(({ name }) => name);
}

/** The names that code uses or declares, without those that are selected from something ("Now" in "time.Now"). */
export function namesUsedIn(code: string): ReadonlySet<string> {
  const scan = new Scanner(code);
  const names = new Set<string>();
  for (let isSelected = false; scan.nextCode() !== 'end'; isSelected = scan.is(CODE.dot)) {
    if (scan.kind === 'name' && !isSelected) {
      names.add(scan.lexeme);
    }
  }
  return names;
}

/**
 * Renames packages in code: what is selected from a package of an old name is selected from the new one. Comments behind
 * code and tags of fields that gofmt has aligned stay aligned.
 * @param qualifiers old name -> new name; no new name may be used in the code otherwise.
 */
export function renameQualifiers(code: string, qualifiers: ReadonlyMap<string, string>): string {
  if (qualifiers.size === 0) {
    return code;
  }
  const scan = new Scanner(code);
  const changes: TextChange[] = [];
  const tags: number[] = [];
  const comments: number[] = [];
  let candidate: TextChange | undefined;
  for (let isSelected = false; scan.next() !== 'end'; ) {
    if (scan.kind === 'comment') {
      comments.push(scan.start);
      continue;
    }
    if (scan.kind === 'string' && code.charCodeAt(scan.start) === BACK_QUOTE) {
      tags.push(scan.start);
    }
    if (candidate && scan.is(CODE.dot)) {
      changes.push(candidate);
    }
    const name = scan.kind === 'name' && !isSelected ? qualifiers.get(scan.lexeme) : undefined;
    candidate = name === undefined ? undefined : { start: scan.start, end: scan.end, text: name };
    isSelected = scan.is(CODE.dot);
  }
  const withTags = aligned(code, changes, tags);
  return applyChanges(code, aligned(code, withTags, comments));
}

interface AlignedLine {
  /** Where the line begins, where the code before the cell ends, and where the cell begins. */
  readonly start: number;
  readonly end: number;
  readonly cell: number;
  /** By how much the code grows. */
  readonly growth: number;
}

/** Adds to changes of code what keeps the cells behind it aligned as gofmt would. */
function aligned(code: string, changes: readonly TextChange[], cells: readonly number[]): TextChange[] {
  const spaces: TextChange[] = [];
  let run: AlignedLine[] = [];
  let change = 0;
  let lineEnd = -1;
  for (const cell of cells) {
    if (cell < lineEnd) {
      continue; // the first of a line is the one in a column
    }
    const start = code.lastIndexOf('\n', cell - 1) + 1;
    const end = start + code.slice(start, cell).trimEnd().length;
    let growth = 0;
    for (let next = changes[change]; next && next.start < cell; next = changes[++change]) {
      growth += next.start < start ? 0 : next.text.length - (next.end - next.start);
    }
    if (start !== lineEnd + 1 || end === start) {
      spaces.push(...realigned(run));
      run = [];
    }
    const newline = code.indexOf('\n', cell);
    lineEnd = newline < 0 ? code.length : newline;
    if (end > start) {
      run.push({ start, end, cell, growth });
    }
  }
  spaces.push(...realigned(run));
  return [...changes, ...spaces].sort((one, other) => one.start - other.start);
}

/** The space before the cells of lines that follow each other: the column is one behind the longest. */
function realigned(run: readonly AlignedLine[]): TextChange[] {
  const column = longest(run.map(({ start, end }) => end - start)) + 1;
  const isAligned = run.every(({ start, cell }) => cell - start === column);
  if (!isAligned || run.every(({ growth }) => growth === 0)) {
    return [];
  }
  const newColumn = longest(run.map(({ start, end, growth }) => end - start + growth)) + 1;
  return run.map(({ start, end, cell, growth }) => {
    return { start: end, end: cell, text: ' '.repeat(newColumn - (end - start + growth)) };
  });
}

function longest(lengths: readonly number[]): number {
  return lengths.reduce((most, length) => Math.max(most, length), 0);
}
