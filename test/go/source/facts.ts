/** Go files of this machine, read by the extension's core in the words of the Go program beside this file. */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { globSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { type Declaration, type GoFile, importsOf, parseGoFile, type Span } from '../../../src/core/go/file.ts';
import { Scanner } from '../../../src/core/go/scanner.ts';

/** Builds the program; returns how to run it. */
export function buildOracle(): (mode: 'facts' | 'verdicts' | 'built', input: string) => SpawnSyncReturns<string> {
  const binary = path.resolve('.vscode-test/runs/source-oracle');
  mkdirSync(path.dirname(binary), { recursive: true });
  const built = spawnSync('go', ['build', '-o', binary, '.'], { cwd: 'test/go/source', encoding: 'utf8' });
  if (built.status !== 0) {
    throw new Error(`the oracle does not build: ${built.stderr}`);
  }
  return (mode, input) => spawnSync(binary, [mode], { input, encoding: 'utf8', maxBuffer: 1 << 30 });
}

/** The value of a Go environment variable. */
export function goEnv(name: string): string {
  return spawnSync('go', ['env', name], { encoding: 'utf8' }).stdout.trim();
}

/** The standard library's files, without the inputs of Go's own tests, which may be broken on purpose. */
export function standardFiles(): string[] {
  const root = path.join(goEnv('GOROOT'), 'src');
  return globSync('**/*.go', { cwd: root })
    .filter((file) => !file.split(path.sep).includes('testdata'))
    .sort()
    .map((file) => path.join(root, file));
}

const KIND: Readonly<Record<string, number>> = {
  ';': 1,
  name: 2,
  keyword: 3,
  number: 4,
  rune: 5,
  string: 6,
  operator: 7,
  illegal: 8,
};

/** The digest of a file's tokens. */
function digest(text: string): string {
  const scan = new Scanner(text);
  let sum = 2166136261;
  const mix = (value: number) => {
    sum = Math.imul(sum ^ value, 16777619);
  };
  while (scan.nextCode() !== 'end') {
    const { kind } = scan;
    mix(KIND[kind] ?? 0);
    if (kind === 'operator') {
      for (let at = scan.start; at < scan.end; at++) {
        mix(text.charCodeAt(at));
      }
    } else if (kind !== ';' && kind !== 'illegal') {
      // go/scanner takes carriage returns out of raw strings.
      const returns = kind === 'string' && text[scan.start] === '`' ? scan.lexeme.split('\r').length - 1 : 0;
      mix(scan.end - scan.start - returns);
    }
  }
  return (sum >>> 0).toString(16).padStart(8, '0');
}

/** What the program prints for a file that go/parser reads. */
export function factsOf(text: string): string {
  const file = parseGoFile(text);
  return `${digest(text)} ${file ? describeFile(text, file) : 'no package clause'}`;
}

function describeFile(text: string, file: GoFile): string {
  const parts = [`${file.packageName} doc:${docOf(file)}`];
  for (const declaration of file.imports) {
    const specs = declaration.specs.map(
      (spec) => `${spec.name ?? ''}=${text.slice(spec.end - spec.path.length - 2, spec.end)}@${spanOf(spec)}`,
    );
    parts.push(['import', spanOf(declaration), `doc:${docOf(declaration)}`, ...specs].join(' '));
  }
  for (const declaration of file.declarations) {
    parts.push(describe(declaration));
  }
  return `${parts.join(' ')}${file.problem ? ` problem: ${file.problem.message}` : ''}`;
}

function describe(declaration: Declaration): string {
  const { kind, names, receiver, body } = declaration;
  if (kind === 'func' || kind === 'method') {
    const end = body ? spanOf(body) : '-';
    return `${kind} ${names[0]?.name}(${receiver ?? ''}) ${spanOf(declaration)} doc:${docOf(declaration)} body:${end}`;
  }
  return [kind, spanOf(declaration), `doc:${docOf(declaration)}`, ...names.map(({ name }) => name)].join(' ');
}

function spanOf({ start, end }: Span): string {
  return `${start}-${end}`;
}

function docOf({ doc }: { readonly doc?: Span }): string {
  return doc ? String(doc.start) : '-';
}

/** The paths that a file imports. */
export function importPaths(text: string): string[] {
  const file = parseGoFile(text);
  return file ? importsOf(file).map(({ path: imported }) => imported) : [];
}
