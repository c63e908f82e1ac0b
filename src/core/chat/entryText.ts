import type { Pattern, Topic } from '../catalogue/catalogue.ts';
import { fenced } from '../catalogue/markdown.ts';
import type { Attachment } from './prompt.ts';

/** An entry as an answer shows it, without code. */
export function entryText(entry: Pattern | Topic): string {
  return entry.kind === 'pattern' ? patternText(entry) : topicText(entry);
}

/** A pattern with its tested source, as the catalogue shows it. */
export function patternWithCode(pattern: Pattern): string {
  return `${patternText(pattern)}\n\n${codeText(pattern)}`;
}

/** The tested source of a pattern under a heading. */
export function codeText(pattern: Pattern): string {
  return [`### Code: ${pattern.title.toLowerCase()}`, fenced(pattern.source, 'go')].join('\n\n');
}

/** Catalogue entries as data for a prompt; patterns with their tested source if `withCode`. */
export function catalogueAttachments(entries: readonly (Pattern | Topic)[], withCode: boolean): Attachment[] {
  return entries.map((entry) => {
    if (entry.kind === 'topic') {
      return { tag: 'topic', name: entry.title, text: `${entry.summary}\n\n${entry.body}` };
    }
    const code = withCode ? `\n\n${fenced(entry.source, 'go')}` : '';
    return {
      tag: 'pattern',
      name: entry.title,
      text: `${entry.summary}\nSnippet prefix: ${entry.prefix}\n\n${entry.body}${code}`,
    };
  });
}

function patternText(pattern: Pattern): string {
  const parts = [`### ${pattern.title}`, pattern.summary];
  for (const heading of ['When to use', 'When not to use', 'Trade-offs'] as const) {
    const text = pattern.sections.get(heading);
    if (text) {
      parts.push(`**${heading}**\n\n${text}`);
    }
  }
  const libraries = pattern.libraries.length === 0 ? 'Standard library only' : `Uses ${pattern.libraries.join(', ')}`;
  parts.push(`Insert it: type \`${pattern.prefix}\` in a Go file. ${libraries}, Go ${pattern.goVersion} or newer.`);
  return parts.join('\n\n');
}

function topicText(topic: Topic): string {
  const decide = topic.sections.get('Decide') ?? topic.body;
  return [`### ${topic.title}`, topic.summary, decide].join('\n\n');
}
