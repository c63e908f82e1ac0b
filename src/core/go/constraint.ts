import { Scanner } from './scanner.ts';

/** Says whether a build tag is set. */
export type Tags = (tag: string) => boolean;

/** A build constraint that cannot be read. */
export class ConstraintError extends Error {
  override readonly name = 'ConstraintError';
}

// As go/build/syslist.go has them, Go 1.26.
const SYSTEMS: ReadonlySet<string> = new Set(
  `aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris wasip1 windows
  zos`.split(/\s+/),
);
const PROCESSORS: ReadonlySet<string> = new Set(
  `386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc ppc64 ppc64le
  riscv riscv64 s390 s390x sparc sparc64 wasm`.split(/\s+/),
);
const UNIX: ReadonlySet<string> = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios linux netbsd openbsd solaris'.split(' '),
);

/**
 * The tags that are set when Go builds for a system and a processor with its own compiler, no tag given.
 * @param minor the minor version of Go, such as 26.
 */
export function tagsFor(system: string, processor: string, minor: number, cgo: boolean): Tags {
  const set = new Set([system, processor, 'gc', ...(cgo ? ['cgo'] : []), ...(UNIX.has(system) ? ['unix'] : [])]);
  if (system === 'android') {
    set.add('linux');
  } else if (system === 'illumos') {
    set.add('solaris');
  } else if (system === 'ios') {
    set.add('darwin');
  }
  return (tag) => {
    const release = /^go1\.([1-9][0-9]{0,3})$/.exec(tag)?.[1];
    return release === undefined ? set.has(tag) : Number(release) <= minor;
  };
}

/**
 * The `//go:build` expression of a file: the first such line before the package clause, wherever comments may stand there
 * (https://go.dev/ref/mod and `go help buildconstraint`). `// +build` lines, which Go 1.18 and later pass over, do not count.
 */
export function constraintOf(text: string): string | undefined {
  const scan = new Scanner(text);
  while (scan.next() === 'comment') {
    const line = scan.lexeme;
    if (line.startsWith('//go:build') && /^[ \t]/.test(line.slice(10))) {
      return line.slice(10).trim();
    }
  }
  return undefined;
}

/**
 * Says whether a constraint such as "linux && (cgo || !amd64)" holds.
 * @throws ConstraintError if it cannot be read, or nests more than 1,000 deep.
 */
export function constraintHolds(expression: string, tags: Tags): boolean {
  return new ConstraintReader(expression, tags).read();
}

const MAX_DEPTH = 1000;
const TOKEN = /\s*(&&|\|\||[!()]|[\p{L}\p{Nd}_.]+|\S)/uy;

class ConstraintReader {
  readonly #tokens: string[] = [];
  readonly #tags: Tags;
  #at = 0;
  #depth = 0;

  constructor(expression: string, tags: Tags) {
    const token = new RegExp(TOKEN);
    for (let match = token.exec(expression); match; match = token.exec(expression)) {
      this.#tokens.push(match[1] ?? '');
    }
    this.#tags = tags;
  }

  read(): boolean {
    const holds = this.#or();
    if (this.#at < this.#tokens.length) {
      throw new ConstraintError(`unexpected ${this.#tokens[this.#at]}`);
    }
    return holds;
  }

  #or(): boolean {
    let holds = this.#and();
    while (this.#take('||')) {
      holds = this.#and() || holds;
    }
    return holds;
  }

  #and(): boolean {
    let holds = this.#not();
    while (this.#take('&&')) {
      holds = this.#not() && holds;
    }
    return holds;
  }

  #not(): boolean {
    if (++this.#depth > MAX_DEPTH) {
      throw new ConstraintError('nested too deep');
    }
    try {
      if (this.#take('!')) {
        if (this.#tokens[this.#at] === '!') {
          throw new ConstraintError('double negation');
        }
        return !this.#not();
      }
      if (this.#take('(')) {
        const holds = this.#or();
        if (!this.#take(')')) {
          throw new ConstraintError('missing )');
        }
        return holds;
      }
      const tag = this.#tokens[this.#at++] ?? '';
      if (!/^[\p{L}\p{Nd}_.]+$/u.test(tag)) {
        throw new ConstraintError(`unexpected ${tag || 'end'}`);
      }
      return this.#tags(tag);
    } finally {
      this.#depth--;
    }
  }

  #take(token: string): boolean {
    const isHere = this.#tokens[this.#at] === token;
    if (isHere) {
      this.#at++;
    }
    return isHere;
  }
}

/**
 * Says whether a file's name lets it be built: `x_linux.go`, `x_linux_arm64_test.go`; what stands before the first
 * underscore is no tag (go/build, `goodOSArchFile`).
 */
export function fileNameHolds(fileName: string, tags: Tags): boolean {
  const stem = fileName.split('.')[0] ?? '';
  const first = stem.indexOf('_');
  if (first < 0) {
    return true;
  }
  const parts = stem.slice(first).split('_');
  if (parts.at(-1) === 'test') {
    parts.pop();
  }
  const [system = '', processor = ''] = parts.slice(-2);
  if (parts.length >= 2 && SYSTEMS.has(system) && PROCESSORS.has(processor)) {
    return tags(system) && tags(processor);
  }
  const last = parts.at(-1) ?? '';
  return !(SYSTEMS.has(last) || PROCESSORS.has(last)) || tags(last);
}

/** Whether Go builds a file; one whose constraint cannot be read is left out, as Go leaves it out. */
export function isBuilt(fileName: string, text: string, tags: Tags): boolean {
  if (!fileNameHolds(fileName, tags)) {
    return false;
  }
  const expression = constraintOf(text);
  try {
    return expression === undefined || constraintHolds(expression, tags);
  } catch (error) {
    if (error instanceof ConstraintError) {
      return false;
    }
    throw error;
  }
}
