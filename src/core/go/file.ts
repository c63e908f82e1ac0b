import { CODE, closerOf, newlinesIn, Scanner, type TokenKind } from './scanner.ts';

/** A part of a text. Offsets count UTF-16 units, as JavaScript and VS Code do. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** An import of a Go file. */
export interface GoImport {
  readonly path: string;
  /** The name it is given, if it is not the package's own. */
  readonly name?: string;
}

/** An import where it is written: from its name or path to the end of its path. */
export interface ImportSpec extends GoImport, Span {}

/** One import declaration, from `import` to the last path or the closing parenthesis. */
export interface ImportDeclaration extends Span {
  readonly specs: readonly ImportSpec[];
  /** Offsets of its parentheses; undefined for an import without them. */
  readonly parentheses?: Span;
  /** The comments between its first and its last token. */
  readonly comments: readonly Span[];
  /** The comment group on the lines directly above it: for `import "C"`, the preamble. */
  readonly doc?: Span;
}

/** What a declaration declares. */
export type DeclarationKind = 'func' | 'method' | 'type' | 'var' | 'const';

/** A name where it is declared. */
export interface DeclaredName extends Span {
  readonly name: string;
}

/** A top-level declaration, from its keyword to its last token; a parenthesised group is one. */
export interface Declaration extends Span {
  readonly kind: DeclarationKind;
  /** In the order of the text; `_` is among them. */
  readonly names: readonly DeclaredName[];
  /** Of a method: the name of the type it belongs to. */
  readonly receiver?: string;
  /** Of a function: from the opening to the closing brace. */
  readonly body?: Span;
  /** The comment group on the lines directly above it, directives included. */
  readonly doc?: Span;
}

/** Where a text stops being Go. */
export interface Problem {
  readonly offset: number;
  readonly message: string;
}

/** What a Go file says at its top level. */
export interface GoFile {
  readonly packageName: string;
  /** From `package` to the name. */
  readonly clause: Span;
  /** The comment group directly above the package clause. */
  readonly doc?: Span;
  readonly imports: readonly ImportDeclaration[];
  readonly declarations: readonly Declaration[];
  /** The comments outside of declarations, each on its own, in the order of the text. */
  readonly comments: readonly Span[];
  /** Offsets of the semicolons that are written at the top level. */
  readonly semicolons: readonly number[];
  /** The first fault that shows in tokens and brackets alone; undefined if there is none. */
  readonly problem?: Problem;
}

/**
 * Reads the package clause, the imports and the top-level declarations of a Go file
 * (https://go.dev/ref/spec#Source_file_organization): linear, on any text. What a declaration holds is passed over.
 * @returns undefined if the text has no package clause.
 */
export function parseGoFile(text: string): GoFile | undefined {
  return new FileReader(text).read(false);
}

/** Reads as `parseGoFile` does, and stops behind the imports. */
export function parseGoHead(text: string): GoFile | undefined {
  return new FileReader(text).read(true);
}

/** The imports of a file, one after another. */
export function importsOf(file: GoFile): readonly ImportSpec[] {
  return file.imports.flatMap(({ specs }) => specs);
}

class FileReader {
  readonly #scan: Scanner;
  readonly #text: string;
  /** The comments outside of declarations. */
  readonly #comments: Span[] = [];
  readonly #semicolons: number[] = [];
  /** The comments between the token before the current one and it. */
  #gap: Span[] = [];
  /** Where the token before the current one ends; -1 before the first. */
  #before = -1;
  #problem: Problem | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#scan = new Scanner(text);
  }

  read(headOnly: boolean): GoFile | undefined {
    this.#next();
    this.#keepGap(this.#comments);
    if (!this.#isKeyword('package')) {
      return undefined;
    }
    const doc = this.#doc();
    const { start } = this.#scan;
    this.#next();
    if (this.#kind() !== 'name') {
      return undefined;
    }
    const clause = { start, end: this.#scan.end };
    const packageName = this.#scan.lexeme;
    this.#next();
    this.#endStatement('the package clause');
    const imports: ImportDeclaration[] = [];
    while (this.#isKeyword('import')) {
      imports.push(this.#import());
    }
    const declarations: Declaration[] = [];
    while (!headOnly && this.#kind() !== 'end') {
      declarations.push(...this.#declaration());
    }
    return {
      packageName,
      clause,
      ...optional({ doc, problem: this.#problem }),
      imports,
      declarations,
      comments: this.#comments,
      semicolons: this.#semicolons,
    };
  }

  /** Moves to the next token that is no comment. */
  #next(): void {
    this.#before = this.#scan.end;
    if (this.#gap.length > 0) {
      this.#gap = [];
    }
    while (this.#scan.next() === 'comment') {
      this.#gap.push({ start: this.#scan.start, end: this.#scan.end });
      this.#checkToken();
    }
    this.#checkToken();
  }

  #checkToken(): void {
    const { fault } = this.#scan;
    if (fault !== undefined) {
      this.#fault(fault);
    }
  }

  #keepGap(comments: Span[]): void {
    for (const comment of this.#gap) {
      comments.push(comment);
    }
  }

  /** The kind of the current token: a call, since the compiler takes a property to stay as it was compared. */
  #kind(): TokenKind {
    return this.#scan.kind;
  }

  #fault(message: string, offset = this.#scan.start): void {
    this.#problem ??= { offset, message };
  }

  #isKeyword(word: string): boolean {
    return this.#kind() === 'keyword' && this.#scan.lexeme === word;
  }

  /** The comment group that ends on the line above the current token, as go/parser attaches it. */
  #doc(): Span | undefined {
    // What begins on the line of the token before, and what follows on the same line, belongs to that token.
    let first = 0;
    let end = this.#before;
    for (let comment = this.#gap[0]; comment && end > 0 && !this.#hasNewline(end, comment.start); ) {
      end = comment.end;
      comment = this.#gap[++first];
    }
    let group: Span | undefined;
    let below = this.#scan.start;
    for (const comment of this.#gap.slice(first).reverse()) {
      const lines = newlinesIn(this.#text, comment.end, below);
      if (group === undefined ? lines !== 1 : lines > 1) {
        break;
      }
      group = { start: comment.start, end: group?.end ?? comment.end };
      below = comment.start;
    }
    return group;
  }

  #hasNewline(start: number, end: number): boolean {
    return newlinesIn(this.#text, start, end) > 0;
  }

  /** Passes the semicolons that end a top-level statement; what stands before them and should not is passed over. */
  #endStatement(what: string): void {
    if (this.#kind() !== ';' && this.#kind() !== 'end') {
      this.#fault(`unexpected ${shown(this.#scan.lexeme)} after ${what}`);
      this.#skipStatement();
      if (this.#kind() === 'operator') {
        this.#next(); // a bracket that closes nothing
      }
    }
    this.#keepGap(this.#comments);
    while (this.#kind() === ';') {
      if (!this.#scan.isAutomatic) {
        this.#semicolons.push(this.#scan.start);
      }
      this.#next();
      this.#keepGap(this.#comments);
    }
  }

  #import(): ImportDeclaration {
    const doc = this.#doc();
    const { start } = this.#scan;
    const specs: ImportSpec[] = [];
    const comments: Span[] = [];
    let parentheses: Span | undefined;
    this.#next();
    this.#keepGap(comments);
    let end = this.#before;
    if (this.#scan.is(CODE.openParenthesis)) {
      const open = this.#scan.start;
      for (let isSeparate = true; ; isSeparate = this.#kind() === ';') {
        this.#next();
        this.#keepGap(comments);
        if (this.#kind() !== ';' && !(isSeparate && this.#spec(specs, comments))) {
          break;
        }
      }
      end = this.#before;
      if (this.#scan.is(CODE.closeParenthesis)) {
        parentheses = { start: open, end: this.#scan.start };
        end = this.#scan.end;
        this.#next();
      } else {
        this.#fault(`unexpected ${shown(this.#scan.lexeme)} among imports`);
      }
    } else if (this.#spec(specs, comments)) {
      end = this.#scan.end;
      this.#next();
    } else {
      this.#fault('an import has no path');
    }
    this.#endStatement('an import');
    return { start, end, specs, comments, ...optional({ parentheses, doc }) };
  }

  /** Reads a name, if there is one, and a path, where it stops. */
  #spec(specs: ImportSpec[], comments: Span[]): boolean {
    const { start } = this.#scan;
    let name: string | undefined;
    if (this.#kind() === 'name' || this.#scan.is(CODE.dot)) {
      name = this.#scan.lexeme;
      this.#next();
      this.#keepGap(comments);
    }
    if (this.#kind() !== 'string') {
      if (name !== undefined) {
        this.#fault('an import has no path');
      }
      return false;
    }
    const path = this.#scan.lexeme.slice(1, this.#scan.isUnclosed ? undefined : -1);
    specs.push({ path, ...optional({ name }), start, end: this.#scan.end });
    return true;
  }

  /** Reads a declaration; passes over what is none. */
  #declaration(): Declaration[] {
    const word = this.#kind() === 'keyword' ? this.#scan.lexeme : '';
    if (word === 'func') {
      return [this.#function()];
    }
    if (word === 'type' || word === 'var' || word === 'const') {
      return [this.#general(word)];
    }
    this.#endStatement('the declarations');
    return [];
  }

  #function(): Declaration {
    const doc = this.#doc();
    const { start } = this.#scan;
    const names: DeclaredName[] = [];
    this.#next();
    const receiver = this.#scan.is(CODE.openParenthesis) ? this.#receiver() : undefined;
    this.#name(names);
    const { end, body } = this.#skipStatement();
    this.#endStatement('a function');
    const kind = receiver === undefined ? 'func' : 'method';
    return { kind, names, start, end, ...optional({ doc, receiver, body }) };
  }

  /** Passes over a receiver: the last name outside of brackets is its type's. */
  #receiver(): string {
    let depth = 0;
    let brackets = 0;
    let receiver = '';
    do {
      if (this.#scan.is(CODE.openParenthesis)) {
        depth++;
      } else if (this.#scan.is(CODE.closeParenthesis)) {
        depth--;
      } else if (this.#scan.is(CODE.openBracket)) {
        brackets++;
      } else if (this.#scan.is(CODE.closeBracket)) {
        brackets--;
      } else if (this.#kind() === 'name' && brackets === 0) {
        receiver = this.#scan.lexeme;
      }
      this.#next();
    } while (depth > 0 && this.#kind() !== 'end');
    return receiver;
  }

  #general(kind: 'type' | 'var' | 'const'): Declaration {
    const doc = this.#doc();
    const { start } = this.#scan;
    const names: DeclaredName[] = [];
    let end: number;
    this.#next();
    if (this.#scan.is(CODE.openParenthesis)) {
      this.#next();
      while (this.#kind() !== 'end' && !this.#scan.is(CODE.closeParenthesis)) {
        if (this.#kind() !== ';') {
          this.#names(kind, names);
          this.#skipStatement();
        }
        if (this.#kind() === ';') {
          this.#next();
        } else if (!this.#scan.is(CODE.closeParenthesis) && this.#kind() !== 'end') {
          this.#fault(`unexpected ${shown(this.#scan.lexeme)}`);
          this.#next();
        }
      }
      end = this.#scan.end;
      if (this.#kind() === 'end') {
        this.#fault('a parenthesis is not closed', start);
      } else {
        this.#next();
      }
    } else {
      this.#names(kind, names);
      end = this.#skipStatement().end;
    }
    this.#endStatement('a declaration');
    return { kind, names, start, end, ...optional({ doc }) };
  }

  #names(kind: 'type' | 'var' | 'const', names: DeclaredName[]): void {
    while (this.#name(names) && kind !== 'type' && this.#scan.is(CODE.comma)) {
      this.#next();
    }
  }

  #name(names: DeclaredName[]): boolean {
    if (this.#kind() !== 'name') {
      this.#fault(`unexpected ${shown(this.#scan.lexeme)} where a name is declared`);
      return false;
    }
    names.push({ name: this.#scan.lexeme, start: this.#scan.start, end: this.#scan.end });
    this.#next();
    return true;
  }

  /**
   * Passes over the rest of a statement: to the semicolon that ends it, or the bracket that closes a group around it.
   * @returns the end of its last token, and its last pair of braces if that is where it ends and it is no type's.
   */
  #skipStatement(): { readonly end: number; readonly body: Span | undefined } {
    let end = this.#before;
    let body: Span | undefined;
    let wasType = false;
    for (; ; this.#next()) {
      const { kind, code, start } = this.#scan;
      if (kind === 'end' || kind === ';') {
        break;
      }
      const isType = kind === 'keyword' && TYPES.has(this.#scan.lexeme);
      if (kind === 'operator') {
        if (closerOf(code) > 0) {
          const fault = this.#scan.skipGroup();
          if (fault) {
            this.#fault(fault.message, fault.offset);
          }
          if (code === CODE.openBrace && !wasType) {
            body = { start, end: this.#scan.end };
          }
        } else if (code === CODE.closeParenthesis || code === CODE.closeBracket || code === CODE.closeBrace) {
          break; // it closes what stands around the statement
        }
      }
      ({ end } = this.#scan);
      wasType = isType;
    }
    return { end, body: body?.end === end ? body : undefined };
  }
}

/** The types whose braces are no body. */
const TYPES: ReadonlySet<string> = new Set(['struct', 'interface']);

/** Leaves out what is undefined. */
function optional<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}

function shown(lexeme: string): string {
  return lexeme === '' ? 'the end' : JSON.stringify(lexeme.length > 20 ? `${lexeme.slice(0, 20)}…` : lexeme);
}
