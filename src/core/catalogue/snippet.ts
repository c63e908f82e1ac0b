import { type GoImport, importsOf, parseGoHead } from '../go/file.ts';
import { declarationsOf } from '../go/package.ts';
import type { Pattern, TabStop } from './catalogue.ts';

/** One entry of a VS Code snippet file. */
export interface Snippet {
  readonly prefix?: readonly string[];
  readonly description: string;
  readonly body: readonly string[];
  readonly isFileTemplate?: true;
}

/** The parts of a Go file that a snippet needs apart. */
export interface GoSource {
  readonly imports: readonly GoImport[];
  /** Everything after the imports. */
  readonly declarations: string;
}

/**
 * Splits a Go file after its imports.
 * @throws RangeError if it has no package clause.
 */
export function splitGoSource(source: string): GoSource {
  const head = parseGoHead(source);
  if (!head) {
    throw new RangeError('no package clause');
  }
  const imports = importsOf(head).map(({ path, name }) => (name === undefined ? { path } : { path, name }));
  return { imports, declarations: declarationsOf(source, head) };
}

/**
 * The snippets of a pattern: its declarations under its prefixes, for a file that has a package clause already, and the
 * whole file as a file template. With the defaults both expand to the source itself.
 */
export function patternSnippets(pattern: Pattern): Record<string, Snippet> {
  const { imports, declarations } = splitGoSource(pattern.source);
  const libraries = pattern.libraries.length === 0 ? '' : ` Needs ${pattern.libraries.join(', ')}.`;
  const description = `${pattern.summary}${libraries} Go ${pattern.goVersion}+.`;
  return {
    [pattern.title]: {
      prefix: [pattern.prefix, ...pattern.aliases],
      description: `${description} Imports: ${imports.map(({ path }) => path).join(', ')}.`,
      body: linesOf(snippetBody(declarations, pattern.tabStops)),
    },
    [`${pattern.title} (whole file)`]: {
      isFileTemplate: true,
      description,
      body: linesOf(fileTemplateBody(pattern)),
    },
  };
}

// Removes the path above the folder and what cannot stand in a package name.
const PACKAGE_FROM_FOLDER = '${TM_DIRECTORY/(.*[\\\\\\/])|[^A-Za-z0-9_]//g}';

function fileTemplateBody(pattern: Pattern): string {
  const body = snippetBody(pattern.source, pattern.tabStops);
  return body.replace(/^package \S+/m, () => `package ${PACKAGE_FROM_FOLDER}`);
}

/**
 * Turns Go source into the body of a snippet: every occurrence of a tab stop's word becomes that tab stop.
 * Syntax: https://code.visualstudio.com/docs/editing/userdefinedsnippets#_snippet-syntax
 * @throws RangeError if a tab stop's word does not occur.
 */
export function snippetBody(source: string, tabStops: readonly TabStop[]): string {
  const places = tabStops.flatMap((stop, index) => {
    const found = [...source.matchAll(occurrencesOf(stop.find))].map((match) => ({ at: match.index, stop, index }));
    if (found.length === 0) {
      throw new RangeError(`tab stop "${stop.find}" does not occur`);
    }
    return found;
  });
  // Where two words overlap, the one that starts first, then the longer one, wins.
  places.sort((a, b) => a.at - b.at || b.stop.find.length - a.stop.find.length);
  const seen = new Set<number>();
  let body = '';
  let end = 0;
  for (const { at, stop, index } of places) {
    if (at < end) {
      continue;
    }
    body += escapeText(source.slice(end, at));
    body += seen.has(index) ? `\${${index + 1}}` : firstStop(stop, index + 1);
    seen.add(index);
    end = at + stop.find.length;
  }
  return `${body}${escapeText(source.slice(end))}$0`;
}

/**
 * Matches a word where it stands for itself or as a part of a CamelCase name: "Breaker" in "NewBreaker" and
 * "BreakerConfig", not in "Breakers". Anything that is not a word is matched verbatim.
 */
export function occurrencesOf(find: string): RegExp {
  const escaped = find.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  if (!/^\w+$/.test(find)) {
    return new RegExp(escaped, 'g');
  }
  const before = /^[A-Z]/.test(find) ? '(?<![A-Z])' : '(?<!\\w)';
  return new RegExp(`${before}${escaped}(?![a-z0-9_])`, 'g');
}

function firstStop(stop: TabStop, number: number): string {
  return stop.choices.length > 0
    ? `\${${number}|${stop.choices.map((choice) => choice.replace(/[\\,|]/g, '\\$&')).join(',')}|}`
    : `\${${number}:${stop.find.replace(/[\\$}]/g, '\\$&')}}`;
}

/** Text as it stands in a snippet for itself. */
export function escapeText(text: string): string {
  return text.replace(/[\\$}]/g, '\\$&');
}

function linesOf(body: string): string[] {
  return body.replace(/\n(\$0)$/, '$1').split('\n');
}
