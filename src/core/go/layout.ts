import type { Declaration, GoFile, Span } from './file.ts';
import { newlinesIn } from './scanner.ts';

/** Where a line ends that something stands on. */
export interface LineEnd {
  /** Behind the last comment or semicolon of the line; a comment that goes on below takes what stands there along. */
  readonly end: number;
  /** False where code follows on the same line. */
  readonly isLast: boolean;
}

/**
 * Where the line of something at the top level ends.
 * @param offset the end of the clause, import or declaration.
 */
export function endOfLine(text: string, file: GoFile, offset: number): LineEnd {
  const spans = [...file.comments, ...file.semicolons.map((start) => ({ start, end: start + 1 }))]
    .filter(({ start }) => start >= offset)
    .sort((a, b) => a.start - b.start);
  let end = offset;
  for (const span of spans) {
    if (!isBlank(text, end, span.start) || newlinesIn(text, end, span.start) > 0) {
      break;
    }
    end = span.end;
  }
  return { end, isLast: lineIsOver(text, end) };
}

function isBlank(text: string, start: number, end: number): boolean {
  return text.slice(start, end).trim() === '';
}

function lineIsOver(text: string, offset: number): boolean {
  for (let at = offset; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 10) {
      return true;
    }
    if (code !== 32 && code !== 9 && code !== 13) {
      return false;
    }
  }
  return true;
}

/** A run of lines at the top level that nothing may come between. */
export interface Block extends Span {
  /** The declarations in it. */
  readonly declarations: readonly Declaration[];
}

/** A piece of a block, with what ties it to its neighbours. */
interface Piece extends Span {
  readonly declaration?: Declaration;
  /** A directive, which is for the next declaration even beyond an empty line. */
  readonly isBound?: boolean;
}

// Directives of the compiler and of cgo apply to what follows them. go:generate and go:build stand for themselves.
const DIRECTIVE = /^\/\/(?:go:(?!generate\b|build\b|debug\b)|export |extern |line )|^\/\*line /;

/**
 * The blocks of a file, in order: first the package clause with the imports, then declarations with their comments, and
 * comments that stand alone. Between two blocks, and behind the last, there is nothing but white space and at least one
 * line end: declarations can be put there, and gofmt has nothing to say that it did not say before.
 */
export function blocksOf(text: string, file: GoFile): Block[] {
  const headEnd = file.imports.at(-1)?.end ?? file.clause.end;
  const pieces: Piece[] = [
    ...file.declarations.map((declaration) => ({
      start: declaration.doc?.start ?? declaration.start,
      end: declaration.end,
      declaration,
    })),
    ...file.semicolons.map((start) => ({ start, end: start + 1 })),
    ...file.comments.map(({ start, end }) => ({ start, end, isBound: DIRECTIVE.test(text.slice(start, start + 16)) })),
  ].filter(({ start }) => start >= headEnd);
  // A doc comment begins where its declaration's piece does: the longer piece first, which holds the other.
  pieces.sort((a, b) => a.start - b.start || b.end - a.end);
  const blocks: { start: number; end: number; declarations: Declaration[] }[] = [
    { start: 0, end: headEnd, declarations: [] },
  ];
  let isBound = false;
  let isLoose = false;
  for (const piece of pieces) {
    const block = blocks.at(-1);
    if (!block || piece.end <= block.end) {
      continue; // inside of a doc comment
    }
    const lines = newlinesIn(text, block.end, piece.start);
    if (isBound || lines === 0 || (lines === 1 && !isLoose)) {
      block.end = piece.end;
    } else {
      blocks.push({ start: piece.start, end: piece.end, declarations: [] });
    }
    if (piece.declaration) {
      blocks.at(-1)?.declarations.push(piece.declaration);
    }
    isBound = (piece.isBound ?? false) || (isBound && piece.declaration === undefined);
    // Behind the closing bracket of a declaration over several lines gofmt aligns nothing with what comes below.
    isLoose = piece.declaration !== undefined && newlinesIn(text, piece.declaration.start, piece.declaration.end) > 0;
  }
  return blocks;
}
