/** An import of a Go file. */
export interface GoImport {
  readonly path: string;
  /** The name it is given, if it is not the package's own. */
  readonly name?: string;
}

/** A parenthesised import declaration: the offsets between its parentheses. */
interface ImportBlock {
  readonly start: number;
  readonly end: number;
}

/** The head of a Go file. Offsets count UTF-16 units, as JavaScript and VS Code do. */
export interface GoHead {
  readonly packageName: string;
  readonly imports: readonly GoImport[];
  readonly blocks: readonly ImportBlock[];
  /** Where the head ends: after the last import, or after the package clause. */
  readonly end: number;
}

/** A change of a text: what stands from start to end is replaced. */
export interface TextChange {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Reads the package clause and the imports of a Go file (https://go.dev/ref/spec#Source_file_organization).
 * @returns undefined if the text has no package clause.
 */
export function parseGoHead(text: string): GoHead | undefined {
  const scan = new HeadScanner(text);
  scan.skipSpace();
  const packageName = scan.take(/package[ \t]+([\p{L}_][\p{L}\p{N}_]*)/uy)?.[1];
  if (packageName === undefined) {
    return undefined;
  }
  const imports: GoImport[] = [];
  const blocks: ImportBlock[] = [];
  let end = scan.at;
  for (;;) {
    scan.skipSpace();
    if (!scan.take(/import\b/y)) {
      return { packageName, imports, blocks, end };
    }
    scan.skipSpace();
    if (scan.take(/\(/y)) {
      const start = scan.at;
      for (;;) {
        scan.skipSpace();
        const spec = scan.take(IMPORT_SPEC);
        if (!spec) {
          break;
        }
        imports.push(importOf(spec));
        scan.take(/[ \t]*;/y);
      }
      blocks.push({ start, end: scan.at });
      if (!scan.take(/\)/y)) {
        return { packageName, imports, blocks: blocks.slice(0, -1), end };
      }
    } else {
      const spec = scan.take(IMPORT_SPEC);
      if (!spec) {
        return { packageName, imports, blocks, end };
      }
      imports.push(importOf(spec));
    }
    end = scan.at;
  }
}

const IMPORT_SPEC = /(?:([\p{L}_][\p{L}\p{N}_]*|\.)[ \t]*)?(?:"([^"\n]*)"|`([^`\n]*)`)/uy;

function importOf(spec: RegExpExecArray): GoImport {
  const path = spec[2] ?? spec[3] ?? '';
  return spec[1] === undefined ? { path } : { path, name: spec[1] };
}

class HeadScanner {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Takes what matches a sticky expression here. */
  take(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at;
    const match = expression.exec(this.#text);
    if (match) {
      this.at = expression.lastIndex;
    }
    return match ?? undefined;
  }

  /** Passes over white space, comments and semicolons. */
  skipSpace(): void {
    this.take(/(?:[\s;\uFEFF]|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y);
  }
}

/** What adding imports to a file takes. */
export interface ImportPlan {
  readonly changes: readonly TextChange[];
  /** Why an import cannot be added as it is, in words; empty if all can. */
  readonly conflicts: readonly string[];
}

/**
 * Plans the changes that give a file the imports it lacks: whole lines, each in the group of its kind of the first
 * block, or a block of their own where no block has a line for each import.
 */
export function planImports(text: string, head: GoHead, needed: readonly GoImport[]): ImportPlan {
  const conflicts: string[] = [];
  const missing: GoImport[] = [];
  for (const wanted of needed) {
    const same = head.imports.find(({ path }) => path === wanted.path);
    const taken = head.imports.find((other) => other.path !== wanted.path && localName(other) === localName(wanted));
    if (same && localName(same) !== localName(wanted)) {
      conflicts.push(`"${wanted.path}" is imported as ${localName(same)}`);
    } else if (taken) {
      conflicts.push(`${localName(taken)} is "${taken.path}", not "${wanted.path}"`);
    } else if (!same) {
      missing.push(wanted);
    }
  }
  if (missing.length === 0) {
    return { changes: [], conflicts };
  }
  const [block] = head.blocks;
  const lines = block && linesIn(text, block);
  if (!lines) {
    const groups = [true, false]
      .map((standard) =>
        missing
          .filter(({ path }) => isStandard(path) === standard)
          .map(lineOf)
          .sort(byPath),
      )
      .filter((group) => group.length > 0);
    const inner = groups.map((group) => group.join('\n')).join('\n\n');
    return { changes: [{ start: head.end, end: head.end, text: `\n\nimport (\n${inner}\n)` }], conflicts };
  }
  return { changes: insertions(lines, missing), conflicts };
}

interface Line {
  readonly at: number;
  readonly text: string;
}

/** The lines between the parentheses of a block and the one that closes it; undefined if imports share lines. */
function linesIn(text: string, { start, end }: ImportBlock): Line[] | undefined {
  const inner = text.slice(start, end);
  if (!/^[ \t]*(\/\/[^\n]*)?\n/.test(inner) || !/\n[ \t]*$/.test(inner) || /"[^"\n]*"[ \t]*;/.test(inner)) {
    return undefined;
  }
  const lines: Line[] = [];
  for (let at = text.indexOf('\n', start) + 1; at <= end; ) {
    const newline = text.indexOf('\n', at);
    lines.push({ at, text: text.slice(at, newline < 0 || newline > end ? end : newline) });
    at = newline < 0 ? end + 1 : newline + 1;
  }
  return lines;
}

/** Whole lines to insert at the beginnings of lines; what goes to the same place is one change. */
function insertions(lines: readonly Line[], missing: readonly GoImport[]): TextChange[] {
  const groups = groupsOf(lines);
  const closing = lines.at(-1)?.at ?? 0;
  const changes = new Map<number, string>();
  for (const standard of [true, false]) {
    const wanted = missing
      .filter(({ path }) => isStandard(path) === standard)
      .map(lineOf)
      .sort(byPath);
    const group = groups.find((candidate) => candidate.some(({ text }) => kindOf(text) === standard));
    if (wanted.length === 0) {
      continue;
    }
    if (!group) {
      const block = wanted.map((line) => `${line}\n`).join('');
      const at = standard ? (lines[0]?.at ?? closing) : closing;
      const alone = groups.length === 0 && !changes.has(at);
      changes.set(at, (changes.get(at) ?? '') + (alone ? block : standard ? `${block}\n` : `\n${block}`));
      continue;
    }
    // A comment on a line of its own belongs to the import below it, so such a group is left in its order.
    const sorted = group.every(({ text }) => pathIn(text) !== '');
    const last = group.at(-1);
    const behind = last ? last.at + last.text.length + 1 : closing;
    for (const line of wanted) {
      const next = sorted ? group.find(({ text }) => pathIn(text) > pathIn(line)) : undefined;
      const at = next?.at ?? behind;
      changes.set(at, `${changes.get(at) ?? ''}${line}\n`);
    }
  }
  return [...changes].map(([at, text]) => ({ start: at, end: at, text })).sort((a, b) => a.start - b.start);
}

/** The runs of lines between empty ones. */
function groupsOf(lines: readonly Line[]): Line[][] {
  const groups: Line[][] = [[]];
  for (const line of lines.slice(0, -1)) {
    if (line.text.trim() === '') {
      groups.push([]);
    } else {
      groups.at(-1)?.push(line);
    }
  }
  return groups.filter((group) => group.length > 0);
}

/** Whether a line imports from the standard library; undefined if it imports nothing. */
function kindOf(line: string): boolean | undefined {
  const path = pathIn(line);
  return path === '' ? undefined : isStandard(path);
}

function lineOf({ path, name }: GoImport): string {
  return `\t${name === undefined ? '' : `${name} `}"${path}"`;
}

function pathIn(line: string): string {
  return /^\s*(?:[\w.]+\s+)?["`]([^"`]*)["`]/.exec(line)?.[1] ?? '';
}

function byPath(a: string, b: string): number {
  return pathIn(a) < pathIn(b) ? -1 : 1;
}

/** A path whose first element has no dot belongs to the standard library. */
function isStandard(path: string): boolean {
  return !(path.split('/')[0] ?? '').includes('.');
}

/** The name by which code refers to an import; a last element /vN is a version, not a name. */
function localName({ path, name }: GoImport): string {
  const elements = path.split('/');
  const last = elements.length > 1 && /^v[0-9]+$/.test(elements.at(-1) ?? '') ? elements.at(-2) : elements.at(-1);
  return name ?? (last ?? '').replace(/^go-|\.v[0-9]+$|-go$/g, '');
}

/**
 * Where declarations can be inserted for a cursor: at the cursor if it stands between declarations, else after the one
 * it stands in. It reads the layout that gofmt gives: only the last line of a declaration closes at the first column.
 * @param offset offset of the cursor.
 * @param headEnd where the head of the file ends.
 */
export function declarationOffset(text: string, offset: number, headEnd: number): number {
  let inside = false;
  let lineStart = text.indexOf('\n', headEnd) + 1 || text.length;
  if (offset < lineStart) {
    return headEnd;
  }
  while (lineStart < text.length) {
    const newline = text.indexOf('\n', lineStart);
    const lineEnd = newline < 0 ? text.length : newline;
    const line = text.slice(lineStart, lineEnd).trimEnd();
    const closes = /^[})]/.test(line);
    inside = closes ? false : inside || /^\S.*[{(]$/.test(line);
    if (offset <= lineEnd && !inside) {
      return closes || line !== '' ? lineEnd : offset;
    }
    lineStart = lineEnd + 1;
  }
  return text.length;
}

/** The empty lines that keep an inserted declaration apart from what stands around it. */
export function spacingAt(text: string, offset: number): { readonly before: string; readonly after: string } {
  const before = text.slice(0, offset);
  const after = text.slice(offset);
  return {
    before: before.trim() === '' || /\n[ \t]*\n[ \t]*$/.test(before) ? '' : /\n[ \t]*$/.test(before) ? '\n' : '\n\n',
    after: after.trim() === '' || /^[ \t]*\n[ \t]*\n/.test(after) ? '' : /^[ \t]*\n/.test(after) ? '\n' : '\n\n',
  };
}

/**
 * The file of a pattern for a package.
 * @param newPackage whether the package has no file yet: then the package's doc comment comes along.
 */
export function goFileFor(source: string, packageName: string, newPackage: boolean): string {
  const clause = /^package[ \t]+(\w+)/m.exec(source);
  if (!clause) {
    return source;
  }
  const rest = `package ${packageName}${source.slice(clause.index + clause[0].length)}`;
  const doc = source.slice(0, clause.index).replace(`Package ${clause[1]} `, `Package ${packageName} `);
  return newPackage ? doc + rest : rest;
}

/** A package name for a folder: its name without what Go does not allow, or "pattern" if nothing is left. */
export function packageNameFor(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9_]/g, '')
    .replace(/^[0-9_]+/, '');
  return name === '' || GO_KEYWORDS.has(name) ? 'pattern' : name;
}

// https://go.dev/ref/spec#Keywords
const GO_KEYWORDS = new Set(
  `break case chan const continue default defer else fallthrough for func go goto if import interface map package range
  return select struct switch type var`.split(/\s+/),
);
