import { isOlder } from './version.ts';

/** What a go.mod file says, as far as it is of use here. */
export interface GoMod {
  readonly path: string;
  /** The `go` directive, such as "1.26.0"; undefined if there is none. */
  readonly goVersion: string | undefined;
  /** The `toolchain` directive, such as "go1.26.8"; undefined if there is none. */
  readonly toolchain: string | undefined;
  /** Direct requirements as "path version". */
  readonly requires: readonly string[];
}

/**
 * Reads a go.mod file leniently (https://go.dev/ref/mod#go-mod-file): unknown directives are passed over.
 * @returns undefined if the file has no module directive.
 */
export function parseGoMod(text: string): GoMod | undefined {
  let path: string | undefined;
  let goVersion: string | undefined;
  let toolchain: string | undefined;
  const requires: string[] = [];
  let block: string | undefined;
  for (const raw of text.split(/\r?\n/)) {
    const indirect = /\/\/\s*indirect\b/.test(raw);
    const words = raw
      .replace(/\/\/.*$/, '')
      .trim()
      .split(/\s+/)
      .map(unquote);
    if (block !== undefined && words[0] === ')') {
      block = undefined;
      continue;
    }
    if (words[1] === '(') {
      block = words[0];
      continue;
    }
    const [directive, first, second] = block === undefined ? words : [block, ...words];
    if (directive === 'module' && first) {
      path ??= first;
    } else if (directive === 'go' && first) {
      goVersion ??= first;
    } else if (directive === 'toolchain' && first) {
      toolchain ??= first;
    } else if (directive === 'require' && first && second && !indirect) {
      requires.push(`${first} ${second}`);
    }
  }
  return path === undefined ? undefined : { path, goVersion, toolchain, requires };
}

function unquote(word: string): string {
  return word.replace(/^(["`])(.*)\1$/, '$2');
}

/** What a go.mod that is left alone lacks for code that comes with another go.mod. */
export interface GoModGap {
  /** Direct requirements that it does not have, as "path version". */
  readonly requirements: readonly string[];
  /** The Go version that the code needs, if its own is older. */
  readonly goVersion: string | undefined;
}

/** Compares the go.mod that code comes with to the one that is there. */
export function goModGap(wanted: string, present: string): GoModGap {
  const [needs, has] = [parseGoMod(wanted), parseGoMod(present)];
  const have = new Set(has?.requires.map((line) => line.split(' ')[0]));
  // Without a go line a module is at 1.16 (https://go.dev/ref/mod#go-mod-file-go).
  const older = needs?.goVersion !== undefined && isOlder(has?.goVersion ?? '1.16', needs.goVersion);
  return {
    requirements: (needs?.requires ?? []).filter((line) => !have.has(line.split(' ')[0])),
    goVersion: older ? needs?.goVersion : undefined,
  };
}
