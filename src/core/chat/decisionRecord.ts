import type { Pattern, Topic } from '../catalogue/catalogue.ts';
import { inlineCode } from '../catalogue/markdown.ts';
import { plainName } from '../words.ts';
import { optionsOf } from './options.ts';
import type { Question } from './question.ts';

/**
 * Fills in a decision record in the form of MADR 4 (https://adr.github.io/madr/) from what the catalogue knows: the
 * options that the request names (or else the matching entries), their consequences, and how to confirm the outcome.
 * It decides nothing: the outcome names the option that the catalogue puts first, as proposed.
 * @param entries the catalogue's entries that match the request, best first; at least one.
 */
export function decisionRecord(question: Question, entries: readonly (Pattern | Topic)[]): string {
  const options = optionsOf(question.request);
  const named = options.length > 1 ? options : entries.slice(0, 3).map(({ title }) => title);
  const best = entries[0];
  const title = sentence(question.request) || `Use ${(best?.title ?? 'the proposed design').toLowerCase()}`;
  const outline = question.command?.outline ?? [];
  const modules = question.facts.modules.map(
    ({ path, goVersion }) => `${inlineCode(path)}${goVersion ? ` (Go ${plainName(goVersion)})` : ''}`,
  );
  return [
    `---\nstatus: proposed\ndate: ${question.today}\n---`,
    `# ${title}`,
    '## Context and Problem Statement',
    [
      modules.length > 0 ? `This is decided for ${modules.join(', ')}.` : 'The workspace holds no Go module yet.',
      best?.summary ?? '',
    ].join(' '),
    '## Decision Drivers',
    list(
      outline.length > 0 ? outline : ['Load, data and consistency', 'Cost of running it', 'What happens when it fails'],
    ),
    '## Considered Options',
    list(named),
    '## Decision Outcome',
    options.length > 1
      ? `Not chosen yet. What decides between them:\n\n${decides(entries)}`
      : `Proposed: ${named[0]}. What speaks for it:\n\n${decides(entries)}`,
    '### Consequences',
    consequences(entries),
    '### Confirmation',
    confirmation(entries),
    '## More Information',
    list(entries.map(({ title, summary }) => `${title}: ${summary}`)),
  ].join('\n\n');
}

function sentence(request: string): string {
  const line = request.trimStart().slice(0, 120);
  const end = line.indexOf('\n');
  let first = (end < 0 ? line : line.slice(0, end)).trimEnd();
  while (/[?.!]$/.test(first)) {
    first = first.slice(0, -1).trimEnd();
  }
  return first.charAt(0).toUpperCase() + first.slice(1);
}

function decides(entries: readonly (Pattern | Topic)[]): string {
  const [best] = entries;
  return best?.sections.get('Decide') ?? best?.sections.get('When to use') ?? best?.summary ?? '';
}

function consequences([best]: readonly (Pattern | Topic)[]): string {
  const text = best?.sections.get('Trade-offs') ?? best?.sections.get('How it fails');
  return text ?? 'Name what gets harder, and who pays for it.';
}

function confirmation([best]: readonly (Pattern | Topic)[]): string {
  const text = best?.sections.get('Test that settles it') ?? best?.sections.get('Observe');
  return text ?? 'Name the test or the metric that shows that the decision holds.';
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}
