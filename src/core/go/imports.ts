import { type GoFile, type GoImport, type ImportDeclaration, type ImportSpec, importsOf, type Span } from './file.ts';
import { endOfLine } from './layout.ts';
import { lineEnd, type TextChange } from './text.ts';

/** What code needs that is to be put into a file. */
export interface ImportNeeds {
  readonly imports: readonly GoImport[];
  /** The names that the code uses. */
  readonly used: ReadonlySet<string>;
  /** The names that the file's package declares. */
  readonly declared: ReadonlySet<string>;
}

/** What adding imports to a file takes. */
export interface ImportPlan {
  /** In the order of the text. */
  readonly changes: readonly TextChange[];
  /** Packages that have another name in this file: the name in the code -> the name here. */
  readonly qualifiers: ReadonlyMap<string, string>;
}

/**
 * Plans the changes that give a file the imports that code needs: whole lines, each in the group of its kind of the first
 * block that has a line for each import; else in a block of their own, behind the others. A package that the file imports
 * under another name is used by that name; where a name is taken, the package gets another one.
 */
export function planImports(text: string, file: GoFile, needs: ImportNeeds): ImportPlan {
  const present = importsOf(file);
  const taken = new Set([...needs.declared, ...present.map(localName)]);
  const qualifiers = new Map<string, string>();
  const missing: GoImport[] = [];
  for (const wanted of needs.imports) {
    const name = localName(wanted);
    const same = present.filter(({ path, name: given }) => path === wanted.path && given !== '.' && given !== '_');
    if (same.some((spec) => localName(spec) === name)) {
      continue;
    }
    const other = same.find((spec) => !needs.used.has(localName(spec)));
    if (other) {
      qualifiers.set(name, localName(other));
      continue;
    }
    const free = taken.has(name)
      ? freeName(`${name}pkg`, (candidate) => taken.has(candidate) || needs.used.has(candidate))
      : name;
    if (free !== name) {
      qualifiers.set(name, free);
    }
    taken.add(free);
    missing.push(free === name ? wanted : { path: wanted.path, name: free });
  }
  return { changes: missing.length === 0 ? [] : additions(text, file, missing), qualifiers };
}

function freeName(name: string, isTaken: (name: string) => boolean): string {
  let free = name;
  for (let number = 2; isTaken(free); number++) {
    free = `${name}${number}`;
  }
  return free;
}

/** The name by which code refers to an import; a last element /vN is a version, not a name. */
export function localName({ path, name }: GoImport): string {
  const elements = path.split('/');
  const last = elements.length > 1 && /^v[0-9]+$/.test(elements.at(-1) ?? '') ? elements.at(-2) : elements.at(-1);
  return name ?? (last ?? '').replace(/^go-|\.v[0-9]+$|[-.]go$/g, '');
}

// The first elements of the standard library's paths, Go 1.26. Own modules may have no dot in theirs, either.
const STANDARD: ReadonlySet<string> = new Set(
  `archive bufio builtin bytes cmp compress container context crypto database debug embed encoding errors expvar flag fmt
  go hash html image index internal io iter log maps math mime net os path plugin reflect regexp runtime slices sort
  strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak`.split(/\s+/),
);

/** Whether a path belongs to the standard library. */
export function isStandard(path: string): boolean {
  return STANDARD.has(path.split('/')[0] ?? '');
}

/** What a group of imports holds; own modules without a dot are a kind of their own. */
function kindOf(path: string): 'standard' | 'library' | 'own' {
  return isStandard(path) ? 'standard' : (path.split('/')[0] ?? '').includes('.') ? 'library' : 'own';
}

function additions(text: string, file: GoFile, missing: readonly GoImport[]): TextChange[] {
  const eol = lineEnd(text);
  for (const declaration of file.imports) {
    const lines = linesOf(text, declaration);
    if (lines) {
      return insertions(lines, missing, eol);
    }
  }
  return [asBlock(text, file, missing, eol) ?? newBlock(text, file, missing, eol)];
}

/** Turns the only import of a file into a block; undefined where a comment says something about the import alone. */
function asBlock(text: string, file: GoFile, missing: readonly GoImport[], eol: string): TextChange | undefined {
  const [only, ...others] = file.imports;
  const [spec] = only?.specs ?? [];
  if (
    !only ||
    !spec ||
    others.length > 0 ||
    only.parentheses ||
    only.doc ||
    only.comments.length > 0 ||
    spec.path === 'C'
  ) {
    return undefined;
  }
  const line = endOfLine(text, file, only.end);
  const behind = text.slice(only.end, line.end);
  if (!line.isLast || behind.includes('\n') || behind.trimStart().startsWith(';')) {
    return undefined;
  }
  const kept = { ...spec, line: `\t${text.slice(spec.start, line.end)}` };
  return { start: only.start, end: line.end, text: blockOf([...missing, kept], eol) };
}

/** A block behind the imports that are there. */
function newBlock(text: string, file: GoFile, missing: readonly GoImport[], eol: string): TextChange {
  const { end, isLast } = endOfLine(text, file, file.imports.at(-1)?.end ?? file.clause.end);
  const block = blockOf(missing, eol);
  return { start: end, end, text: isLast ? eol + eol + block : eol + block + eol };
}

/** An import block; an import that has its line already keeps it. */
function blockOf(imports: readonly (GoImport & { readonly line?: string })[], eol: string): string {
  const groups = (['standard', 'library', 'own'] as const)
    .map((kind) => imports.filter(({ path }) => kindOf(path) === kind).sort(byPath))
    .filter((group) => group.length > 0)
    .map((group) => group.map((one) => one.line ?? lineOf(one)).join(eol));
  return `import (${eol}${groups.join(eol + eol)}${eol})`;
}

function lineOf({ path, name }: GoImport): string {
  return `\t${name === undefined ? '' : `${name} `}"${path}"`;
}

/** As gofmt sorts: by path, then by name. */
function byPath(a: GoImport, b: GoImport): number {
  const [left, right] = a.path === b.path ? [a.name ?? '', b.name ?? ''] : [a.path, b.path];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** A line of an import block, with what belongs to it: an import with its comments, or comments alone. */
interface Line extends Span {
  readonly spec: ImportSpec | undefined;
  readonly hasComment: boolean;
  /** Whether an empty line stands before it. */
  readonly startsGroup: boolean;
}

interface Lines {
  readonly groups: readonly (readonly Line[])[];
  /** Where the first line begins, and where the closing parenthesis' does. */
  readonly start: number;
  readonly end: number;
}

/** The lines of a block; undefined if it imports "C" or has no line for each import. */
function linesOf(text: string, { specs, comments, parentheses }: ImportDeclaration): Lines | undefined {
  if (!parentheses || specs.some(({ path }) => path === 'C')) {
    return undefined;
  }
  const parts = [
    ...specs.map((spec) => ({ ...spec, spec })),
    ...comments.map((comment) => ({ ...comment, spec: undefined })),
  ];
  parts.sort((a, b) => a.start - b.start);
  const lines: Line[] = [];
  let before = parentheses.start + 1;
  for (const { spec, start, end } of parts) {
    const gap = text.slice(before, start);
    const last = lines.at(-1);
    before = end;
    const first = gap.indexOf('\n');
    if (first < 0) {
      if (last === undefined ? spec : last.spec && spec) {
        return undefined;
      }
      if (last) {
        lines[lines.length - 1] = { ...last, spec: last.spec ?? spec, end, hasComment: last.hasComment || !spec };
      }
      continue; // a comment behind the opening parenthesis
    }
    const startsGroup = gap.indexOf('\n', first + 1) >= 0;
    lines.push({ spec, start: start - (gap.length - gap.lastIndexOf('\n') - 1), end, hasComment: !spec, startsGroup });
  }
  const tail = text.slice(before, parentheses.end);
  const newline = tail.lastIndexOf('\n');
  if (newline < 0) {
    return undefined;
  }
  // Whole lines: with what ends them.
  const whole = lines.map((line) => ({ ...line, end: text.indexOf('\n', line.end) + 1 }));
  const groups: Line[][] = [];
  for (const line of whole) {
    if (line.startsGroup || groups.length === 0) {
      groups.push([line]);
    } else {
      groups.at(-1)?.push(line);
    }
  }
  const start = whole[0]?.start ?? before + newline + 1;
  return { groups, start, end: whole.at(-1)?.end ?? before + newline + 1 };
}

/** Whole lines to insert at the beginnings of lines; what goes to the same place is one change. */
function insertions({ groups, start, end }: Lines, missing: readonly GoImport[], eol: string): TextChange[] {
  const changes = new Map<number, string>();
  const add = (at: number, text: string) => changes.set(at, (changes.get(at) ?? '') + text);
  const apart: { standard: GoImport[]; others: GoImport[] } = { standard: [], others: [] };
  for (const wanted of [...missing].sort(byPath)) {
    const kind = kindOf(wanted.path);
    const group = groups.find((lines) => lines.some(({ spec }) => spec && kindOf(spec.path) === kind));
    const at = group && placeIn(group, wanted);
    if (at === undefined) {
      apart[kind === 'standard' ? 'standard' : 'others'].push(wanted);
    } else {
      add(at, lineOf(wanted) + eol);
    }
  }
  const block = (imports: readonly GoImport[]) => imports.map((one) => lineOf(one) + eol).join('');
  if (apart.standard.length > 0) {
    const below = groups.length > 0 || apart.others.length > 0 ? eol : '';
    changes.set(start, block(apart.standard) + below + (changes.get(start) ?? ''));
  }
  if (apart.others.length > 0) {
    add(end, (groups.length > 0 ? eol : '') + block(apart.others));
  }
  return [...changes].map(([at, text]) => ({ start: at, end: at, text })).sort((a, b) => a.start - b.start);
}

/** Where a line goes in the order of a group; undefined where it would part two comments that gofmt keeps aligned. */
function placeIn(group: readonly Line[], wanted: GoImport): number | undefined {
  // A comment on a line of its own belongs to the import below it, so such a group is left in its order.
  const isSorted = group.every(({ spec }) => spec);
  const found = isSorted ? group.findIndex(({ spec }) => spec && byPath(spec, wanted) > 0) : -1;
  const index = found < 0 ? group.length : found;
  if (group[index - 1]?.hasComment && group[index]?.hasComment) {
    return undefined;
  }
  return group[index]?.start ?? group.at(-1)?.end;
}
