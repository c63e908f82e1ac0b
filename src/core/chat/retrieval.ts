import type { Pattern, Topic } from '../catalogue/catalogue.ts';
import { contentStemsOf, stemsOf } from '../catalogue/words.ts';
import type { Command } from './commands.ts';
import { isEnglish } from './language.ts';
import type { Library, Question } from './question.ts';

/** The entries that answer a question. */
export interface Retrieved {
  /** Best first. */
  readonly entries: readonly (Pattern | Topic)[];
  /** How many of them the words of the question found; the others are what the command is mostly about. */
  readonly found: number;
}

const MAX_ENTRIES = 5;
// What is longer is pasted text; its beginning says what it is about.
const MAX_REQUEST = 20_000;

// A command says what its question is about: its home topics win over others that match as well.
const HOME_FACTOR = 1.6;
const HOME_BONUS = 3;
const HOME_STEP = 0.5;

// In a language that the catalogue is not written in, one word proves something only if it is a name.
const FOREIGN_MINIMUM = 10;

/**
 * Finds the entries for a question: by its own words, those at home in the command first; a command that they do not
 * lead to anything answers with its home topics.
 */
export function retrieve(
  { command, request }: Pick<Question, 'command' | 'request'>,
  { catalogue, search }: Pick<Library, 'catalogue' | 'search'>,
): Retrieved {
  const minimum = isEnglish(request) ? 0 : FOREIGN_MINIMUM;
  // "Where do I start?" says nothing that an entry could answer.
  const isVague = contentStemsOf(request.slice(0, MAX_REQUEST)).length === 0;
  const matches = isVague ? [] : search.find(request, catalogue.entries.size).filter(({ score }) => score >= minimum);
  // The topics of /pattern are its most wanted patterns, not what a question to it is about.
  const home = command === undefined || command.name === 'pattern' ? [] : command.topics;
  const ranked = matches
    .map(({ entry, score }) => {
      const at = home.indexOf(entry.name);
      return { entry, score: at < 0 ? score : score * HOME_FACTOR + HOME_BONUS - at * HOME_STEP };
    })
    .sort((a, b) => b.score - a.score || a.entry.name.localeCompare(b.entry.name))
    .map(({ entry }) => entry)
    .slice(0, MAX_ENTRIES);
  const others = home.flatMap((name) => catalogue.entries.get(name) ?? []).filter((entry) => !ranked.includes(entry));
  return { entries: [...ranked, ...others].slice(0, MAX_ENTRIES), found: ranked.length };
}

/** Of what was retrieved what a model is sent: what the question found, else what the command is mostly about. */
export function entriesToSend({ entries, found }: Retrieved): readonly (Pattern | Topic)[] {
  return entries.slice(0, found > 0 ? Math.min(found, 3) : 2);
}

const CODE_STEMS = new Set(stemsOf('code implement implementation example snippet source function struct write'));

/** Whether a request is for code; hundreds of lines of it would hide any other answer. */
export function wantsCode({ command, request }: Pick<Question, 'command' | 'request'>): boolean {
  if (command !== undefined) {
    return command.name === 'pattern';
  }
  const text = request.slice(0, 2000);
  const words = stemsOf(text);
  // A name by itself asks to see the thing.
  const isName = words.length > 0 && words.length <= 3 && !text.includes('?') && text.trim().split(/\s+/).length <= 4;
  return isName || words.some((word) => CODE_STEMS.has(word));
}

// What people say who mean a command and do not know it.
const MEANT: Readonly<Record<string, string>> = {
  review: 'review check critique feedback audit assess improve better good wrong fine',
  design: 'design architecture architect plan build structure new start begin idea model',
  scale: 'scale capacity traffic load growth bigger',
  optimize: 'optimize optimise performance faster speed slow quick profile',
  resilience: 'resilience resilient robust reliable stable failure crash down outage',
  observability: 'observability observe monitor monitoring visibility see',
  deploy: 'deploy deployment ship rollout infrastructure',
  schema: 'schema table database sql',
  api: 'api endpoint contract',
  decide: 'decide decision adr choose compare',
};
const MEANT_WORDS = Object.entries(MEANT).map(([name, words]) => [name, new Set(allForms(words))] as const);

/** The command that a request without one means by its words; undefined if it names none. */
export function commandMeant(request: string, { commands }: Pick<Library, 'commands'>): Command | undefined {
  const words = allForms(request.slice(0, 2000));
  const name = MEANT_WORDS.find(([, meant]) => words.some((word) => meant.has(word)))?.[0];
  return commands.get(name ?? '');
}

/** The words as they are, since the commonest have no stem, and their stems. */
function allForms(text: string): string[] {
  return [...(text.toLowerCase().match(/[a-z]+/g) ?? []), ...stemsOf(text)];
}
