/** A change of a text: what stands from start to end is replaced. */
export interface TextChange {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Applies changes that are in the order of the text and do not overlap. */
export function applyChanges(text: string, changes: readonly TextChange[]): string {
  let result = '';
  let copied = 0;
  for (const { start, end, text: replacement } of changes) {
    result += text.slice(copied, start) + replacement;
    copied = end;
  }
  return result + text.slice(copied);
}

/** How the lines of a text end: as its first line does. */
export function lineEnd(text: string): '\n' | '\r\n' {
  return text.charCodeAt(text.indexOf('\n') - 1) === 13 ? '\r\n' : '\n';
}

/** The number of a line, from 1. */
export function lineNumber(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line++;
  }
  return line;
}
