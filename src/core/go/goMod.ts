import { isOlder, isOlderSemver } from './version.ts';

/** A go.mod or go.work larger than this is not read, in bytes; the largest of real life have a tenth. */
export const MAX_GO_MOD = 1_000_000;

/** One directive of a go.mod or go.work file: a line, or a line of a block. */
export interface Directive {
  /** Such as "require". */
  readonly verb: string;
  /** What follows the verb; quoted strings without their quotes. */
  readonly words: readonly string[];
  /** The text behind "//" on the same line; undefined if there is none. */
  readonly comment: string | undefined;
}

/** What a go.mod file says, as far as it is of use here. */
export interface GoMod {
  readonly path: string;
  /** The `go` directive, such as "1.26.0"; undefined if there is none. */
  readonly goVersion: string | undefined;
  /** The `toolchain` directive, such as "go1.26.8"; undefined if there is none. */
  readonly toolchain: string | undefined;
  /** Direct requirements as "path version". */
  readonly requires: readonly string[];
  /** Requirements marked "// indirect", as "path version". */
  readonly indirect: readonly string[];
  /** Module paths that another module or folder stands for. */
  readonly replaces: readonly string[];
  /** Import paths of the tools. */
  readonly tools: readonly string[];
  /** Folders that `./...` passes over, as written: "./x" from the module's root, "x" at any depth. */
  readonly ignores: readonly string[];
}

/** What a go.work file says. */
export interface GoWork {
  readonly goVersion: string | undefined;
  readonly toolchain: string | undefined;
  /** Folders of the modules, as written. */
  readonly uses: readonly string[];
}

// Those that may open a block of lines; "go" and "toolchain" may not.
const BLOCKS = new Set(['module', 'godebug', 'require', 'exclude', 'replace', 'retract', 'tool', 'ignore', 'use']);

/**
 * The directives of a go.mod or go.work file, read as golang.org/x/mod/modfile reads them; where that finds a mistake,
 * this goes on. Takes time in proportion to the text, whatever it holds.
 */
export function directivesOf(text: string): Directive[] {
  const directives: Directive[] = [];
  let block: string | undefined;
  for (let at = 0; at < text.length; ) {
    const line = readLine(text, at);
    at = line.end;
    const { words, raw, comment } = line;
    const [first, ...rest] = words;
    if (first === undefined) {
      continue;
    }
    if (block !== undefined) {
      if (raw[0] === ')') {
        block = undefined;
      } else if (BLOCKS.has(block)) {
        directives.push({ verb: block, words, comment });
      }
    } else if (raw.length > 1 && raw.at(-1) === '(') {
      // Another word before the parenthesis makes it a block of no known kind.
      block = raw.length === 2 ? first : '';
    } else if (!(raw.length > 2 && raw.at(-2) === '(' && raw.at(-1) === ')')) {
      directives.push({ verb: first, words: rest, comment });
    }
  }
  return directives;
}

/**
 * Reads a go.mod file leniently (https://go.dev/ref/mod#go-mod-file): what is unknown or wrong is passed over.
 * @returns undefined if the file has no module directive.
 */
export function parseGoMod(text: string): GoMod | undefined {
  const directives = directivesOf(text);
  const path = theOne(directives, 'module');
  if (path === undefined) {
    return undefined;
  }
  const required = directives.filter(({ verb, words }) => verb === 'require' && words.length === 2);
  const those = (indirect: boolean) =>
    required.filter((one) => isIndirect(one) === indirect).map(({ words }) => words.join(' '));
  return {
    path,
    ...releaseIn(directives),
    requires: those(false),
    indirect: those(true),
    replaces: directives.flatMap(({ verb, words: [old, ...rest] }) =>
      verb === 'replace' && old !== undefined && rest.slice(0, 2).includes('=>') ? [old] : [],
    ),
    tools: allOf(directives, 'tool'),
    ignores: allOf(directives, 'ignore'),
  };
}

/** Reads a go.work file leniently (https://go.dev/ref/mod#go-work-file). */
export function parseGoWork(text: string): GoWork {
  const directives = directivesOf(text);
  return { ...releaseIn(directives), uses: allOf(directives, 'use') };
}

function releaseIn(directives: readonly Directive[]): Pick<GoMod, 'goVersion' | 'toolchain'> {
  return { goVersion: goVersionOf(theOne(directives, 'go')), toolchain: theOne(directives, 'toolchain') };
}

/** "1.26" or "1.26rc1" as it is; "v1.26" and "1.26-x" as 1.26, as Go reads the go.mod of a dependency. */
function goVersionOf(version = ''): string | undefined {
  if (/^[1-9]\d*\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?([a-z]+\d+)?$/.test(version)) {
    return version;
  }
  return /^v?([1-9]\d*\.(0|[1-9]\d*))\D/.exec(version)?.[1];
}

/** The argument of the first directive of a verb. */
function theOne(directives: readonly Directive[], verb: string): string | undefined {
  return allOf(directives, verb)[0];
}

function allOf(directives: readonly Directive[], verb: string): string[] {
  return directives.flatMap(({ verb: other, words }) =>
    other === verb && words.length === 1 && words[0] !== undefined ? [words[0]] : [],
  );
}

function isIndirect({ comment = '' }: Directive): boolean {
  const text = comment.trim();
  return text === 'indirect' || /^indirect;\s+\S/.test(text);
}

interface Line {
  readonly words: string[];
  /** The words as they stand in the text, so that `")"` is told from `)`. */
  readonly raw: string[];
  readonly comment: string | undefined;
  /** Where the next line begins. */
  readonly end: number;
}

/** One line of words: quoted strings, single punctuation marks, and runs of anything else. */
function readLine(text: string, start: number): Line {
  const newline = text.indexOf('\n', start);
  const stop = newline < 0 ? text.length : newline;
  const [words, raw]: [string[], string[]] = [[], []];
  let comment: string | undefined;
  let at = start;
  while (at < stop) {
    const char = text[at] ?? '';
    if (isSpace(char)) {
      at++;
      continue;
    }
    if (char === '/' && text[at + 1] === '/') {
      comment = text.slice(at + 2, stop);
      break;
    }
    const from = at++;
    if (char === '"' || char === '`') {
      while (at < stop && text[at] !== char) {
        at += char === '"' && text[at] === '\\' ? 2 : 1;
      }
      at = Math.min(at + 1, stop);
    } else if (!isPunctuation(char)) {
      while (at < stop && !endsWord(text, at)) {
        at++;
      }
    }
    const word = text.slice(from, at);
    raw.push(word);
    words.push(unquoted(word));
  }
  return { words, raw, comment, end: stop + 1 };
}

function isSpace(char: string): boolean {
  return char === ' ' || char === '\t' || char === '\r';
}

function isPunctuation(char: string): boolean {
  return '()[]{},'.includes(char);
}

function endsWord(text: string, at: number): boolean {
  const char = text[at] ?? '';
  return isSpace(char) || isPunctuation(char) || (char === '/' && text[at + 1] === '/');
}

const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** The text of a string of Go; any other word as it is. */
function unquoted(word: string): string {
  if (word.length < 2 || !/^["`]/.test(word) || word.at(-1) !== word[0]) {
    return word;
  }
  const inner = word.slice(1, -1);
  return word[0] === '`'
    ? inner
    : inner.replace(
        /\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|([0-7]{3})|(.))/g,
        (_, hex?: string, unicode?: string, octal?: string, char = '') =>
          (hex ?? unicode)
            ? String.fromCharCode(Number.parseInt(hex ?? unicode ?? '', 16))
            : octal
              ? String.fromCharCode(Number.parseInt(octal, 8))
              : (ESCAPES[char] ?? char),
      );
}

/** What a go.mod that is left alone lacks for code that comes with another go.mod. */
export interface GoModGap {
  /** Direct requirements that it does not have, or has in an older version, as "path version". */
  readonly requirements: readonly string[];
  /** The Go version that the code needs, if its own is older. */
  readonly goVersion: string | undefined;
}

/** Compares the go.mod that code comes with to the one that is there. */
export function goModGap(wanted: string, present: string): GoModGap {
  const [needs, has] = [parseGoMod(wanted), parseGoMod(present)];
  const have = new Map([...(has?.requires ?? []), ...(has?.indirect ?? [])].map(pathAndVersion));
  const isMissing = (line: string) => {
    const [path, version] = pathAndVersion(line);
    const present = have.get(path);
    // What stands in for a replaced module is the user's choice, and its version is not known here.
    return present === undefined || (isOlderSemver(present, version) && !has?.replaces.includes(path));
  };
  // Without a go line a module is at 1.16 (https://go.dev/ref/mod#go-mod-file-go).
  const older = needs?.goVersion !== undefined && isOlder(has?.goVersion ?? '1.16', needs.goVersion);
  return {
    requirements: (needs?.requires ?? []).filter(isMissing),
    goVersion: older ? needs?.goVersion : undefined,
  };
}

function pathAndVersion(line: string): readonly [path: string, version: string] {
  const [path = '', version = ''] = line.split(' ');
  return [path, version];
}
