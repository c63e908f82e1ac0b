import type { GoFile } from './file.ts';
import { CODE, Scanner } from './scanner.ts';

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
 * Renames packages in code: what is selected from a package of an old name is selected from the new one.
 * @param qualifiers old name -> new name; no new name may be used in the code otherwise.
 */
export function renameQualifiers(code: string, qualifiers: ReadonlyMap<string, string>): string {
  if (qualifiers.size === 0) {
    return code;
  }
  const scan = new Scanner(code);
  let renamed = '';
  let copied = 0;
  let candidate: { readonly start: number; readonly end: number; readonly name: string } | undefined;
  for (let isSelected = false; scan.nextCode() !== 'end'; ) {
    if (candidate && scan.is(CODE.dot)) {
      renamed += code.slice(copied, candidate.start) + candidate.name;
      copied = candidate.end;
    }
    const name = scan.kind === 'name' && !isSelected ? qualifiers.get(scan.lexeme) : undefined;
    candidate = name === undefined ? undefined : { start: scan.start, end: scan.end, name };
    isSelected = scan.is(CODE.dot);
  }
  return renamed + code.slice(copied);
}
