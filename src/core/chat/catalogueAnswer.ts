import type { Catalogue, Pattern, Topic } from '../catalogue/catalogue.ts';
import { fenced } from '../catalogue/markdown.ts';
import type { CatalogueSearch } from '../catalogue/search.ts';
import type { WorkspaceFacts } from '../workspace/facts.ts';
import type { Command } from './commands.ts';
import { decisionRecord } from './decisionRecord.ts';

/** A question to the catalogue. */
export interface Question {
  readonly command: Command | undefined;
  readonly request: string;
  readonly facts: WorkspaceFacts;
  /** The date that a decision record carries, as YYYY-MM-DD. */
  readonly today: string;
}

/** An answer put together without a language model. */
export interface CatalogueAnswer {
  readonly markdown: string;
  /** The entries it was put together from, best first. */
  readonly entries: readonly (Pattern | Topic)[];
  /** Patterns whose code belongs to the answer but is not in its text: hundreds of lines would hide the rest. */
  readonly code: readonly Pattern[];
}

const MAX_ENTRIES = 5;
// More than two in full is more than anybody reads in a chat view.
const SHOWN_IN_FULL = 2;

/** The entries that answer a question: by its own words, else those that the command most often needs. */
export function entriesFor(
  question: Pick<Question, 'command' | 'request'>,
  catalogue: Catalogue,
  search: CatalogueSearch,
): (Pattern | Topic)[] {
  const found = search.find(question.request, MAX_ENTRIES).map(({ entry }) => entry);
  if (found.length > 0 || question.command === undefined) {
    return found;
  }
  return question.command.topics.flatMap((name) => catalogue.entries.get(name) ?? []).slice(0, MAX_ENTRIES);
}

/**
 * Answers from the catalogue alone: the best matching patterns and topics with when to use them and what they cost,
 * their code, and what an answer to the command has to settle. The same question always gets the same answer.
 */
export function catalogueAnswer(question: Question, catalogue: Catalogue, search: CatalogueSearch): CatalogueAnswer {
  const { command } = question;
  if (command?.name === 'pattern' && question.request.trim() === '') {
    return { markdown: `${NO_AI}\n\n${listOfPatterns(catalogue)}`, entries: [], code: [] };
  }
  const entries = entriesFor(question, catalogue, search);
  if (entries.length === 0) {
    return { markdown: nothingFound(catalogue), entries, code: [] };
  }
  if (command?.name === 'decide') {
    const record = decisionRecord(question, entries);
    return { markdown: `${NO_AI}\n\n${fenced(record, 'markdown')}\n\n${HOW_TO_GO_ON}`, entries, code: [] };
  }
  const [best] = entries;
  const shown = entries.slice(0, SHOWN_IN_FULL);
  const parts = [NO_AI, ...shown.map((entry) => (entry.kind === 'pattern' ? patternPart(entry) : topicPart(entry)))];
  const rest = entries.slice(SHOWN_IN_FULL);
  if (rest.length > 0) {
    parts.push(['**Also look at**', ...rest.map((entry) => `- **${entry.title}**: ${entry.summary}`)].join('\n'));
  }
  if (command && command.outline.length > 0 && command.name !== 'pattern') {
    parts.push(outlinePart(command, question.facts));
  }
  const patterns = shown.filter((entry) => entry.kind === 'pattern');
  // The code is the answer where a pattern was asked for; it is the longest part, so it comes last.
  const inText = command === undefined ? best?.kind === 'pattern' : command.name === 'pattern';
  if (inText && patterns[0]) {
    parts.push(codePart(patterns[0]));
  }
  parts.push(HOW_TO_GO_ON);
  return { markdown: parts.join('\n\n'), entries, code: inText ? patterns.slice(1) : patterns };
}

const NO_AI = '*From the Go Architect catalogue: no AI was used.*';
const HOW_TO_GO_ON =
  '*For an answer that weighs your own case, pick a language model in the model picker below and ask again.*';

function nothingFound({ patterns, topics }: Catalogue): string {
  const fields = new Set(patterns.map(({ category }) => category.toLowerCase()));
  return [
    NO_AI,
    `Nothing in the catalogue answers that. It knows ${patterns.length} architecture patterns for Go services (${[...fields].join(', ')}) and ${topics.length} topics of service design.`,
    'Use `/pattern` to list them, a command such as `/design` or `/resilience`, or pick a language model below for a question in your own words.',
  ].join('\n\n');
}

function listOfPatterns(catalogue: Catalogue): string {
  const byCategory = Map.groupBy(catalogue.patterns, ({ category }) => category);
  const lists = [...byCategory].map(([category, patterns]) =>
    [
      `**${category}**`,
      ...patterns.map((pattern) => `- **${pattern.title}** (\`${pattern.prefix}\`): ${pattern.summary}`),
    ].join('\n'),
  );
  return [...lists, 'Ask for one with `/pattern circuit breaker`, or type its prefix in a Go file.'].join('\n\n');
}

/** A pattern with its tested source, as the catalogue shows it. */
export function patternEntry(pattern: Pattern): string {
  return `${patternPart(pattern)}\n\n${codePart(pattern)}`;
}

function patternPart(pattern: Pattern): string {
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

function topicPart(topic: Topic): string {
  const decide = topic.sections.get('Decide') ?? topic.body;
  return [`### ${topic.title}`, topic.summary, decide].join('\n\n');
}

function codePart(pattern: Pattern): string {
  return [`### Code: ${pattern.title.toLowerCase()}`, fenced(pattern.source, 'go')].join('\n\n');
}

function outlinePart(command: Command, facts: WorkspaceFacts): string {
  const modules = facts.modules.map(({ path, packages }) => `\`${path}\` (${packages.length} packages)`);
  const about = modules.length === 0 ? '' : ` for ${modules.slice(0, 3).join(', ')}`;
  return [`### What to settle${about}`, ...command.outline.map((line) => `- ${line}`)].join('\n');
}
