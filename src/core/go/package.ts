import { isBuilt, type Tags, tagsFor } from './constraint.ts';
import { type GoFile, importsOf, parseGoFile, parseGoHead, type Span } from './file.ts';
import { localName } from './imports.ts';
import { packageNamesIn } from './names.ts';
import { isName, Scanner } from './scanner.ts';

/** A Go file of a folder. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/** The package in a folder. */
export interface GoPackage {
  /** Its name; without "_test" where only tests of a package from outside are there. Undefined for a folder without one. */
  readonly name: string | undefined;
  /** Several names where Go wants one; empty if there is no such conflict. */
  readonly conflicting: readonly string[];
}

/** What the files of a package mean by names: name -> the file that says so. */
export interface PackageScope {
  /** What they declare for the whole package. */
  readonly declared: ReadonlyMap<string, string>;
  /** The names that they give to imports, which no declaration of the package may have. */
  readonly imported: ReadonlyMap<string, string>;
}

// A file counts if Go builds it on one of the systems that people develop and deploy on.
const NEWEST_MINOR = 99;
const COMMON: readonly Tags[] = ['linux', 'darwin', 'windows'].flatMap((system) =>
  ['amd64', 'arm64'].flatMap((processor) => [true, false].map((cgo) => tagsFor(system, processor, NEWEST_MINOR, cgo))),
);

/** Whether Go builds a file somewhere: not if its name begins with "." or "_", or under "//go:build ignore". */
function isCounted({ name, text }: SourceFile): boolean {
  return name.endsWith('.go') && !/^[._]/.test(name) && COMMON.some((tags) => isBuilt(name, text, tags));
}

/**
 * Reads the package in a folder from its Go files, as `go list` does: files that are built nowhere do not count, nor do
 * those of "package documentation".
 */
export function packageOf(files: readonly SourceFile[]): GoPackage {
  const own = new Set<string>();
  const tested = new Set<string>();
  for (const file of files.filter(isCounted)) {
    const name = parseGoHead(file.text)?.packageName;
    if (name === undefined || name === 'documentation') {
      continue;
    }
    if (!file.name.endsWith('_test.go')) {
      own.add(name);
    } else {
      tested.add(name.replace(/_test$/, ''));
    }
  }
  const names = own.size > 0 ? own : tested;
  const [name] = names;
  return { name, conflicting: names.size > 1 ? [...names] : [] };
}

/**
 * What the files of one package of a folder mean by names. Files that are built nowhere are programs of their own; the one
 * that is asked about counts in any case.
 */
export function scopeOf(files: readonly SourceFile[], packageName: string, asked?: string): PackageScope {
  const declared = new Map<string, string>();
  const imported = new Map<string, string>();
  for (const source of files.filter((file) => file.name === asked || isCounted(file))) {
    const file = parseGoFile(source.text);
    if (file?.packageName !== packageName) {
      continue;
    }
    for (const name of packageNamesIn(file)) {
      declared.set(name, source.name);
    }
    for (const spec of importsOf(file).filter(({ name }) => name !== '.' && name !== '_')) {
      imported.set(localName(spec), source.name);
    }
  }
  return { declared, imported };
}

/** Whether a file says that it is generated (https://go.dev/s/generatedcode): nobody should write into it. */
export function isGenerated(text: string): boolean {
  const scan = new Scanner(text);
  while (scan.next() === 'comment') {
    if (/^\/\/ Code generated .* DO NOT EDIT\.$/.test(scan.lexeme)) {
      return true;
    }
  }
  return false;
}

/**
 * The file of a pattern for a package.
 * @param isNew whether the package has no file yet: then the package's doc comment comes along.
 */
export function goFileFor(source: string, packageName: string, isNew: boolean): string {
  const head = parseGoHead(source);
  if (!head) {
    return source;
  }
  const { clause, doc } = head;
  const above = source.slice(0, clause.start);
  const rest = `package ${packageName}${source.slice(clause.end)}`;
  if (isNew) {
    return above.replace(`Package ${head.packageName} `, () => `Package ${packageName} `) + rest;
  }
  return withoutDoc(above, doc) + rest;
}

/** What stands above a package clause, such as build constraints, without the package's doc comment. */
function withoutDoc(above: string, doc: Span | undefined): string {
  return doc ? above.slice(0, doc.start) : above;
}

/** The declarations of a file with what they need: what follows its imports. */
export function declarationsOf(source: string, file: GoFile): string {
  const start = file.imports.at(-1)?.end ?? file.clause.end;
  const newline = source.indexOf('\n', start);
  return newline < 0 ? '' : source.slice(newline).replace(/^[\r\n]+/, '');
}

/** A package name for a folder: its name without what Go does not allow, or "pattern" if nothing is left. */
export function packageNameFor(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9_]/g, '')
    .replace(/^[0-9_]+/, '');
  return isName(name) ? name : 'pattern';
}

/**
 * Says what Go has against a path as a package's folder, or undefined if nothing: an import path holds letters, digits and
 * - . _ ~ + (CheckImportPath in golang.org/x/mod/module), and folders that begin with "." or "_" or are called "testdata"
 * are not built (`go help packages`).
 */
export function packageFolderProblem(path: string): string | undefined {
  for (const part of path.split('/')) {
    const wrong = /[^A-Za-z0-9._~+-]/u.exec(part);
    if (wrong) {
      const what = wrong[0] === ' ' ? 'the space' : `"${wrong[0]}"`;
      return `Go cannot import a package from "${part}": leave out ${what}.`;
    }
    if (/^[._]/.test(part) || part === 'testdata') {
      return `Go passes over folders such as "${part}": choose a name that does not begin with a dot or an underscore.`;
    }
    if (part === 'vendor') {
      return 'The folder "vendor" holds copies of other modules: choose another name.';
    }
  }
  return undefined;
}
