import type { Catalogue, Pattern, Topic } from '../catalogue/catalogue.ts';
import { fenced, inlineCode } from '../catalogue/markdown.ts';
import { count } from '../words.ts';
import type { WorkspaceFacts } from '../workspace/facts.ts';
import type { Command } from './commands.ts';
import { decisionRecord } from './decisionRecord.ts';
import { codeText, entryText } from './entryText.ts';
import { asksForHelp, helpText } from './help.ts';
import { isEnglish } from './language.ts';
import type { Library, Question } from './question.ts';
import { commandMeant, retrieve, wantsCode } from './retrieval.ts';

/** An answer put together without a language model. */
export interface CatalogueAnswer {
  readonly markdown: string;
  /** The entries it was put together from, best first; empty if nothing answers the question. */
  readonly entries: readonly (Pattern | Topic)[];
  /** Patterns whose code belongs to the answer but is not in its text: hundreds of lines would hide the rest. */
  readonly code: readonly Pattern[];
}

// More than two in full is more than anybody reads in a chat view.
const SHOWN_IN_FULL = 2;

/**
 * Answers from the catalogue alone: the best matching patterns and topics with when to use them and what they cost,
 * their code, and what an answer to the command has to settle. The same question always gets the same answer.
 */
export function catalogueAnswer(asked: Question, library: Library): CatalogueAnswer {
  const { catalogue } = library;
  if (asked.command === undefined && asksForHelp(asked.request)) {
    return { markdown: `${NO_AI}\n\n${helpText(library.commands, catalogue)}`, entries: [], code: [] };
  }
  if (asked.command?.name === 'pattern' && asked.request.trim() === '') {
    return { markdown: `${NO_AI}\n\n${listOfPatterns(catalogue)}`, entries: [], code: [] };
  }
  const { question, entries } = understood(asked, library);
  const { command } = question;
  if (entries.length === 0) {
    return { markdown: nothingFound(asked.request, library), entries, code: [] };
  }
  if (command?.name === 'decide') {
    const record = decisionRecord(question, entries);
    return { markdown: `${NO_AI}\n\n${fenced(record, 'markdown')}\n\n${HOW_TO_GO_ON}`, entries, code: [] };
  }
  const shown = entries.slice(0, SHOWN_IN_FULL);
  const parts = [NO_AI];
  if (command !== asked.command) {
    parts.push(`The question names no problem yet, so this is where \`/${command?.name}\` begins.`);
  }
  parts.push(...shown.map(entryText));
  const rest = entries.slice(SHOWN_IN_FULL);
  if (rest.length > 0) {
    parts.push(['**Also look at**', ...rest.map((entry) => `- **${entry.title}**: ${entry.summary}`)].join('\n'));
  }
  if (command && command.outline.length > 0 && command.name !== 'pattern') {
    parts.push(outlineText(command, question.facts));
  }
  const patterns = shown.filter((entry) => entry.kind === 'pattern');
  // The code is the longest part, so it comes last.
  const inText = wantsCode(question) && entries[0]?.kind === 'pattern';
  if (inText && patterns[0]) {
    parts.push(codeText(patterns[0]));
  }
  parts.push(HOW_TO_GO_ON);
  return { markdown: parts.join('\n\n'), entries, code: inText ? patterns.slice(1) : patterns };
}

const NO_AI = '*From the Go Architect catalogue: no AI was used.*';
const HOW_TO_GO_ON =
  '*For an answer that weighs your own case, pick a language model in the model picker below and ask again.*';

/** The question with its entries; one that is too vague to find any is taken as the command that its words mean. */
function understood(
  question: Question,
  library: Library,
): { readonly question: Question; readonly entries: readonly (Pattern | Topic)[] } {
  const { entries } = retrieve(question, library);
  if (entries.length > 0 || question.command !== undefined) {
    return { question, entries };
  }
  const command = commandMeant(question.request, library);
  return command === undefined
    ? { question, entries }
    : { question: { ...question, command }, entries: retrieve({ command, request: '' }, library).entries };
}

function nothingFound(request: string, { catalogue: { patterns, topics } }: Library): string {
  const fields = new Set(patterns.map(({ category }) => category.toLowerCase()));
  return [
    NO_AI,
    isEnglish(request)
      ? 'Nothing in the catalogue answers that.'
      : 'The catalogue is in English and finds nothing in this question. Ask again in English, or pick a language model below: it answers in your language.',
    `It knows ${patterns.length} architecture patterns for Go services (${[...fields].join(', ')}) and ${topics.length} topics of service design.`,
    'Say what goes wrong, such as *customers get the same email twice*, use `/pattern` to list the patterns, or start with a command such as `/design` or `/resilience`.',
  ].join('\n\n');
}

/** The patterns of the catalogue by category. */
export function listOfPatterns(catalogue: Catalogue): string {
  const byCategory = Map.groupBy(catalogue.patterns, ({ category }) => category);
  const lists = [...byCategory].map(([category, patterns]) =>
    [
      `**${category}**`,
      ...patterns.map((pattern) => `- **${pattern.title}** (\`${pattern.prefix}\`): ${pattern.summary}`),
    ].join('\n'),
  );
  return [...lists, 'Ask for one with `/pattern circuit breaker`, or type its prefix in a Go file.'].join('\n\n');
}

function outlineText(command: Command, facts: WorkspaceFacts): string {
  const modules = facts.modules.map(
    ({ path, packages }) => `${inlineCode(path)} (${count(packages.length, 'package')})`,
  );
  const about = modules.length === 0 ? '' : ` for ${modules.slice(0, 3).join(', ')}`;
  return [`### What to settle${about}`, ...command.outline.map((line) => `- ${line}`)].join('\n');
}
