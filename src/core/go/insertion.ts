import type { Declaration, GoFile } from './file.ts';
import { type ImportNeeds, planImports } from './imports.ts';
import { blocksOf } from './layout.ts';
import { lineEnd, lineNumber, type TextChange } from './text.ts';

/** Where declarations are to go, and with what around them. */
export interface Place {
  /** White space that they replace. */
  readonly start: number;
  readonly end: number;
  readonly before: string;
  readonly after: string;
}

/** What putting declarations into a file takes. */
export interface Insertion {
  /** Changes of the imports, in the order of the text; none overlaps the place. */
  readonly imports: readonly TextChange[];
  readonly place: Place;
  /** Packages that have another name in this file: the name in the code -> the name here. */
  readonly qualifiers: ReadonlyMap<string, string>;
  /** The declaration that the cursor stood in, behind which they go; undefined if they go where it stood. */
  readonly behind: Declaration | undefined;
}

/** A file into which nothing can be put without guessing; the message says why, with the line. */
export class UnreadableFileError extends Error {
  override readonly name = 'UnreadableFileError';
}

/** Whether declarations can stand where the cursor does: at the top level, behind the imports, in no comment. */
export function isBetweenDeclarations(text: string, file: GoFile, cursor: number): boolean {
  return file.problem === undefined && blocksOf(text, file).every(({ start, end }) => cursor < start || cursor > end);
}

/**
 * Plans to put declarations with the imports they need into a file: at the cursor where it stands between declarations,
 * else behind what it stands in.
 * @throws UnreadableFileError if tokens and brackets alone show that the file is not Go as it stands.
 */
export function planInsertion(text: string, file: GoFile, cursor: number, needs: ImportNeeds): Insertion {
  if (file.problem) {
    const { offset, message } = file.problem;
    throw new UnreadableFileError(`line ${lineNumber(text, offset)}: ${message}`);
  }
  const { changes, qualifiers } = planImports(text, file, needs);
  const { place, behind } = placeFor(text, file, cursor);
  const [first, ...others] = changes.toReversed();
  // The imports of a file without any go to where its first declaration does.
  if (first && first.end >= place.start) {
    const joined = first.text + (first.text.endsWith('\n') ? place.before.slice(lineEnd(text).length) : place.before);
    return {
      imports: others.toReversed(),
      place: { ...place, start: first.start, before: joined },
      qualifiers,
      behind,
    };
  }
  return { imports: changes, place, qualifiers, behind };
}

/** The place between two blocks, or behind the last, that a cursor means. */
function placeFor(
  text: string,
  file: GoFile,
  cursor: number,
): { readonly place: Place; readonly behind: Declaration | undefined } {
  const blocks = blocksOf(text, file);
  const found = blocks.findLastIndex(({ start }) => start < cursor);
  const index = Math.max(0, found);
  const block = blocks[index];
  const next = blocks[index + 1];
  const eol = lineEnd(text);
  const start = block?.end ?? text.length;
  const place = { start, end: next?.start ?? text.length, before: eol + eol, after: next ? eol + eol : eol };
  const isInside = block !== undefined && cursor <= block.end;
  const behind = isInside ? block.declarations.findLast((declaration) => declaration.end <= block.end) : undefined;
  return { place, behind };
}
