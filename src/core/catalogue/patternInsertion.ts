import type { Declaration, GoFile } from '../go/file.ts';
import { parseGoFile } from '../go/file.ts';
import { localName } from '../go/imports.ts';
import { planInsertion } from '../go/insertion.ts';
import { namesUsedIn, PREDECLARED, packageNamesIn, renameQualifiers } from '../go/names.ts';
import type { PackageScope } from '../go/package.ts';
import type { TextChange } from '../go/text.ts';
import type { Pattern } from './catalogue.ts';
import { escapeText, snippetBody, splitGoSource } from './snippet.ts';

/** What putting a pattern into a file takes: one edit. */
export interface PatternInsertion {
  /** Changes of the imports, in the order of the text. */
  readonly imports: readonly TextChange[];
  /** White space that the declarations replace. */
  readonly start: number;
  readonly end: number;
  /** What stands around the declarations: line ends and, in a file without imports, their block. */
  readonly before: string;
  readonly after: string;
  /** The declarations as a snippet, with tab stops. */
  readonly body: string;
  /** The declaration that the cursor stood in, behind which they go. */
  readonly behind: Declaration | undefined;
}

/** A name that would mean two things. */
export interface Clash {
  readonly name: string;
  /** The file that gives it the other meaning. */
  readonly file: string;
}

/**
 * The names that keep a pattern out of a package: those that it declares or, if predeclared, uses, and that the package's
 * files give to something else. In the order of the pattern.
 */
export function clashesOf(pattern: Pattern, { declared, imported }: PackageScope): Clash[] {
  const names = namesOf(pattern);
  return [...names.declared, ...names.predeclared].flatMap((name) => {
    const file = declared.get(name) ?? imported.get(name);
    return file === undefined ? [] : [{ name, file }];
  });
}

/** As `clashesOf`, for a file of its own: what it calls its imports must be free in the package, too. */
export function fileClashesOf(pattern: Pattern, scope: PackageScope): Clash[] {
  const imports = splitGoSource(pattern.source).imports.map(localName);
  const taken = imports.flatMap((name) => {
    const file = scope.declared.get(name);
    return file === undefined ? [] : [{ name, file }];
  });
  return [...clashesOf(pattern, scope), ...taken];
}

interface Names {
  readonly declared: readonly string[];
  readonly predeclared: readonly string[];
  readonly used: ReadonlySet<string>;
}

const NAMES = new WeakMap<Pattern, Names>();

function namesOf(pattern: Pattern): Names {
  let names = NAMES.get(pattern);
  if (!names) {
    const file = parseGoFile(pattern.source);
    const used = namesUsedIn(splitGoSource(pattern.source).declarations);
    names = {
      declared: file ? packageNamesIn(file) : [],
      predeclared: [...used].filter((name) => PREDECLARED.has(name)),
      used,
    };
    NAMES.set(pattern, names);
  }
  return names;
}

/**
 * Plans to put a pattern into a file, at the cursor or behind what it stands in; the names were found free before.
 * @throws UnreadableFileError if the file is not Go as it stands.
 */
export function planPattern(
  pattern: Pattern,
  text: string,
  file: GoFile,
  cursor: number,
  { declared }: PackageScope,
): PatternInsertion {
  const { imports, declarations } = splitGoSource(pattern.source);
  const { used } = namesOf(pattern);
  const plan = planInsertion(text, file, cursor, { imports, used, declared: new Set(declared.keys()) });
  const rename = (code: string) => renameQualifiers(code, plan.qualifiers);
  const tabStops = pattern.tabStops.map(({ find, choices }) => ({ find: rename(find), choices: choices.map(rename) }));
  const body = snippetBody(rename(declarations.trimEnd()), tabStops);
  return { imports: plan.imports, ...plan.place, body, behind: plan.behind };
}

/** The snippet that a plan puts in the place of the white space. */
export function snippetOf({ before, body, after }: PatternInsertion): string {
  return escapeText(before) + body + escapeText(after);
}
