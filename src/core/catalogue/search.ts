import type { Catalogue, Pattern, Topic } from './catalogue.ts';
import { contentStemsOf, stemsOf } from './words.ts';

/** An entry that answers a question, with how well it does (higher is better). */
export interface Match {
  readonly entry: Pattern | Topic;
  readonly score: number;
}

// How much a word counts in each field; a keyword is what a person types who knows the field but not the name.
const WEIGHTS = { title: 6, keywords: 5, phrases: 2, summary: 2, body: 0.3 } as const;

// Saturation, and length normalisation of the body, of BM25F (Robertson and Zaragoza, "The Probabilistic Relevance
// Framework: BM25 and Beyond", 2009). The short fields are not normalised: more keywords make an entry no less relevant.
const K1 = 1.2;
const B = 0.75;

// What the nearest title, keyword or phrase adds, by the share of it that the question holds.
const PHRASE = 1.5;
// How much an entry loses for words of the question that it does not have.
const COVERAGE = 0.25;

// A passing mention in a body scores below this, a hit in a title or keyword above.
const MINIMUM_SCORE = 2.5;
// What is far behind the best match is a coincidence of words.
const SHARE_OF_BEST = 0.35;
// Nobody asks in more words than this; what is longer is pasted text, and its beginning says what it is about.
const MAX_QUERY = 20_000;

interface IndexedEntry {
  readonly entry: Pattern | Topic;
  /** Weighted number of occurrences of each word. */
  readonly frequencies: ReadonlyMap<string, number>;
  /** The stems of its title, of each keyword and of each phrase. */
  readonly phrases: readonly (readonly string[])[];
}

/** Finds the patterns and topics that answer a question: BM25F and the nearest phrase; deterministic, offline. */
export class CatalogueSearch {
  readonly #indexed: readonly IndexedEntry[];
  /** How telling a word is alone, and inside a phrase. */
  readonly #weights: ReadonlyMap<string, number>;
  readonly #phraseWeights: ReadonlyMap<string, number>;

  constructor(catalogue: Catalogue) {
    const entries = [...catalogue.entries.values()].map((entry) => ({ entry, body: contentStemsOf(entry.body) }));
    const averageBody = entries.reduce((sum, { body }) => sum + body.length, 0) / Math.max(1, entries.length);
    this.#indexed = entries.map(({ entry, body }) => indexEntry(entry, body, averageBody));
    this.#weights = inverseFrequencies(this.#indexed.map(({ frequencies }) => frequencies.keys()));
    this.#phraseWeights = inverseFrequencies(this.#indexed.map(({ phrases }) => new Set(phrases.flat())));
  }

  /**
   * @param query what the user asked, in their own words.
   * @param limit the largest number of matches.
   * @returns matches, best first; empty if nothing in the catalogue answers the question.
   */
  find(query: string, limit: number): Match[] {
    const text = query.slice(0, MAX_QUERY);
    const words = [...new Set(contentStemsOf(text))];
    const all = new Set(stemsOf(text));
    const matches = this.#indexed
      .map((indexed) => ({ entry: indexed.entry, score: this.#score(indexed, words, all) }))
      .filter(({ score }) => score >= MINIMUM_SCORE)
      .sort((a, b) => b.score - a.score || a.entry.name.localeCompare(b.entry.name));
    const enough = (matches[0]?.score ?? 0) * SHARE_OF_BEST;
    return matches.filter(({ score }) => score >= enough).slice(0, limit);
  }

  #score({ frequencies, phrases }: IndexedEntry, words: readonly string[], all: ReadonlySet<string>): number {
    let score = 0;
    let known = 0;
    let covered = 0;
    for (const word of words) {
      const weight = this.#weights.get(word) ?? 0;
      known += weight;
      const frequency = frequencies.get(word) ?? 0;
      if (frequency > 0) {
        covered += weight;
        score += (weight * frequency * (K1 + 1)) / (frequency + K1);
      }
    }
    const nearest = phrases.reduce((best, phrase) => Math.max(best, this.#phraseScore(phrase, all)), 0);
    return (score + PHRASE * nearest) * (known > 0 ? (covered / known) ** COVERAGE : 1);
  }

  #phraseScore(phrase: readonly string[], words: ReadonlySet<string>): number {
    let shared = 0;
    let total = 0;
    for (const word of phrase) {
      const weight = this.#phraseWeights.get(word) ?? 0;
      total += weight;
      shared += words.has(word) ? weight : 0;
    }
    return total === 0 ? 0 : (shared * shared) / total;
  }
}

/**
 * The patterns that somebody means who types into a list: by name, prefix or keyword as far as it is typed, then by
 * what they describe.
 * @returns best first; all in the catalogue's order for an empty text.
 */
export function findPatterns(catalogue: Catalogue, search: CatalogueSearch, typed: string): Pattern[] {
  const text = typed.trim().toLowerCase();
  if (text === '') {
    return [...catalogue.patterns];
  }
  const begins = (pattern: Pattern) =>
    [pattern.title, pattern.prefix, ...pattern.aliases, ...pattern.keywords].some((word) =>
      ` ${word.toLowerCase()}`.includes(` ${text}`),
    );
  const described = search
    .find(typed, catalogue.entries.size)
    .flatMap(({ entry }) => (entry.kind === 'pattern' ? [entry] : []));
  return [...new Set([...catalogue.patterns.filter(begins), ...described])];
}

/** The weight of each word by how few of the lists hold it. */
function inverseFrequencies(lists: readonly Iterable<string>[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const list of lists) {
    for (const word of list) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  const weight = (count: number) => Math.log(1 + (lists.length - count + 0.5) / (count + 0.5));
  return new Map([...counts].map(([word, count]) => [word, weight(count)]));
}

function indexEntry(entry: Pattern | Topic, body: readonly string[], averageBody: number): IndexedEntry {
  const frequencies = new Map<string, number>();
  const add = (words: readonly string[], weight: number) => {
    for (const word of words) {
      frequencies.set(word, (frequencies.get(word) ?? 0) + weight);
    }
  };
  add(contentStemsOf(`${entry.name} ${entry.title}`), WEIGHTS.title);
  add(entry.keywords.flatMap(contentStemsOf), WEIGHTS.keywords);
  add(entry.phrases.flatMap(contentStemsOf), WEIGHTS.phrases);
  add(contentStemsOf(entry.summary), WEIGHTS.summary);
  add(body, WEIGHTS.body / (1 - B + (B * body.length) / Math.max(1, averageBody)));
  const phrases = [entry.title, ...entry.keywords, ...entry.phrases].map((text) => [...new Set(stemsOf(text))]);
  return { entry, frequencies, phrases };
}
