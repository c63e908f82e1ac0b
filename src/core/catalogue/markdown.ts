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
  for (const line of body.split(/\r?\n/)) {
    if (/^\s*(```|~~~)/.test(line)) {
      fence = !fence;
    }
    const match = fence ? null : /^## +(.+?)\s*$/.exec(line);
    if (match?.[1] !== undefined) {
      close();
      heading = match[1];
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
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${code.replace(/\n*$/, '')}\n${fence}`;
}
