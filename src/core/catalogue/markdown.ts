import { plainName } from '../words.ts';

/**
 * Splits a Markdown body at its second-level headings.
 * @returns heading -> text below it, in the order of the file; text before the first heading is left out.
 */
export function sectionsOf(body: string): ReadonlyMap<string, string> {
  const sections = new Map<string, string>();
  let heading: string | undefined;
  let lines: string[] = [];
  let fence = false;
  const close = () => {
    if (heading !== undefined) {
      sections.set(heading, lines.join('\n').trim());
    }
  };
  for (const raw of body.split('\n')) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    const start = line.trimStart();
    if (start.startsWith('```') || start.startsWith('~~~')) {
      fence = !fence;
    }
    const title = !fence && line.startsWith('## ') ? line.slice(3).trim() : '';
    if (title !== '') {
      close();
      heading = title;
      lines = [];
    } else {
      lines.push(line);
    }
  }
  close();
  return sections;
}

/** A fenced code block whose fence is longer than any run of back-ticks inside the code. */
export function fenced(code: string, language: string): string {
  const fence = '`'.repeat(Math.max(3, longestRun(code) + 1));
  let end = code.length;
  while (code[end - 1] === '\n') {
    end--;
  }
  return `${fence}${language}\n${code.slice(0, end)}\n${fence}`;
}

/** A name from outside as inline code, which no character in it can end. */
export function inlineCode(name: string): string {
  const text = plainName(name);
  const run = longestRun(text);
  return run === 0 ? `\`${text}\`` : `${'`'.repeat(run + 1)} ${text} ${'`'.repeat(run + 1)}`;
}

/** The length of the longest run of back-ticks. */
function longestRun(text: string): number {
  let longest = 0;
  let run = 0;
  for (let at = text.indexOf('`'); at >= 0; at = text.indexOf('`', at + 1)) {
    run = text[at - 1] === '`' ? run + 1 : 1;
    longest = Math.max(longest, run);
  }
  return longest;
}
