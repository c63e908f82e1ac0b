import { type GoFile, parseGoFile } from '../go/file.ts';
import { isBetweenDeclarations } from '../go/insertion.ts';
import {
  goFileFor,
  isGenerated,
  type PackageScope,
  packageNameFor,
  packageOf,
  type SourceFile,
  scopeOf,
} from '../go/package.ts';
import { Scanner } from '../go/scanner.ts';
import { lineEnd, type TextChange } from '../go/text.ts';
import type { Pattern } from './catalogue.ts';
import { clashesOf, fileClashesOf, type PatternInsertion, planPattern } from './patternInsertion.ts';
import { escapeText, snippetBody } from './snippet.ts';

/** A place in a Go file where a pattern can be completed. Texts and offsets are without the word that is typed there. */
export interface CompletionPlace {
  readonly text: string;
  readonly cursor: number;
  /** Undefined where the whole file is to be written, since it has no package clause yet. */
  readonly file: GoFile | undefined;
}

/** What accepting a pattern does. */
export interface Completion {
  /** Takes the place of the typed word. */
  readonly snippet: string;
  /** Changes of the imports above. */
  readonly imports: readonly TextChange[];
}

/**
 * Says whether a pattern may be completed: at the beginning of a line that holds nothing but the word, at the top level
 * behind the imports, or in a file that has no package clause yet; never in a file that is generated.
 * @param text the file, with the word from start to cursor.
 */
export function completionPlace(text: string, start: number, cursor: number): CompletionPlace | undefined {
  const isWord = /^[A-Za-z0-9]*$/.test(text.slice(start, cursor));
  const isFirst = start === 0 || text[start - 1] === '\n';
  if (!isWord || !isFirst || !/^[\t ]*(?:\r?\n|$)/.test(text.slice(cursor, cursor + 1000))) {
    return undefined;
  }
  const without = text.slice(0, start) + text.slice(cursor);
  const file = parseGoFile(without);
  const isPlace = file
    ? isBetweenDeclarations(without, file, start)
    : without.slice(start).trim() === '' && hasOnlyComments(without);
  return isPlace && !isGenerated(without) ? { text: without, cursor: start, file } : undefined;
}

/** Whether a text has comments alone, all of them closed. */
function hasOnlyComments(text: string): boolean {
  const scan = new Scanner(text);
  while (scan.next() === 'comment') {
    if (scan.isUnclosed) {
      return false;
    }
  }
  return scan.kind === 'end';
}

/**
 * Plans what accepting patterns does at a place.
 * @param name the file's name.
 * @param folder the name of its folder.
 * @param files the Go files of its folder, with or without it.
 * @returns for each pattern what to insert; undefined where its names clash with the package's.
 */
export function completer(
  place: CompletionPlace,
  { name, folder, files }: { readonly name: string; readonly folder: string; readonly files: readonly SourceFile[] },
): (pattern: Pattern) => Completion | undefined {
  const { text, cursor, file } = place;
  const others = files.filter((other) => other.name !== name);
  if (!file) {
    const present = packageOf(others);
    const packageName = present.name ?? packageNameFor(folder);
    const scope = scopeOf(others, packageName);
    return (pattern) => wholeFile(pattern, packageName, present.name === undefined, scope, text, cursor);
  }
  const scope = scopeOf([...others, { name, text }], file.packageName, name);
  return (pattern) => {
    if (clashesOf(pattern, scope).length > 0) {
      return undefined;
    }
    const plan = planPattern(pattern, text, file, cursor, scope);
    return { snippet: snippetAtCursor(plan, text, cursor), imports: plan.imports };
  };
}

function wholeFile(
  pattern: Pattern,
  packageName: string,
  isNew: boolean,
  scope: PackageScope,
  text: string,
  cursor: number,
): Completion | undefined {
  if (fileClashesOf(pattern, scope).length > 0) {
    return undefined;
  }
  const above = text.slice(0, cursor);
  const eol = lineEnd(text);
  // A comment directly above would become the package's doc comment.
  const gap = above.trim() === '' ? 0 : 2 - lineEndsIn(above.slice(above.trimEnd().length));
  const source = goFileFor(pattern.source, packageName, isNew).trimEnd();
  const body = snippetBody(source, pattern.tabStops);
  return { snippet: eol.repeat(Math.max(0, gap)) + body + (text.includes('\n', cursor) ? '' : eol), imports: [] };
}

/**
 * The snippet that does what a plan says by inserting at the cursor alone; white space around the cursor that the plan
 * would replace counts as far as it goes.
 */
function snippetAtCursor(plan: PatternInsertion, text: string, cursor: number): string {
  const { before, after } = plan;
  const lead = lineEndsIn(/^[\r\n]*/.exec(before)?.[0] ?? '') - lineEndsIn(text.slice(plan.start, cursor));
  const trail = lineEndsIn(after) - lineEndsIn(text.slice(cursor, plan.end));
  const eol = lineEnd(text);
  const above = eol.repeat(Math.max(0, lead)) + before.replace(/^[\r\n]+/, '');
  return escapeText(above) + plan.body + eol.repeat(Math.max(0, trail));
}

function lineEndsIn(text: string): number {
  return text.split('\n').length - 1;
}
