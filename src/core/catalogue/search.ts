import type { Catalogue, Pattern, Topic } from './catalogue.ts';

/** An entry that answers a question, with how well it does (higher is better). */
export interface Match {
  readonly entry: Pattern | Topic;
  readonly score: number;
}

// Words that say nothing about which entry is meant: of English, of Go, and of the businesses that services are for.
const STOP_WORDS = new Set(
  `a about add all also an and any are as at be been but by can code could create design do does each example for from
  get give go golang good has have help how i if in into is it its just kind kinds like make many me might more most much
  my need needs new no not of on one or our own please prefer run service services should show so some system than that
  the their them then there these they thing this those to too up us use used using want was way we were what when where
  which while who why will with work would write you your customer customers order orders payment payments product
  products provider providers shop survive survives user users`.split(/\s+/),
);

// How much a hit in each field counts; a keyword is what a person types who does not know the name.
const WEIGHTS = { title: 6, keywords: 5, summary: 2, body: 1 } as const;

// Saturation, and length normalisation of the body, of BM25F (Robertson and Zaragoza, "The Probabilistic Relevance
// Framework: BM25 and Beyond", 2009). The short fields are not normalised: more keywords make an entry no less relevant.
const K1 = 1.2;
const B = 0.75;

// A passing mention in a body scores below this, a hit in a title or keyword above.
const MINIMUM_SCORE = 2;
// What is far behind the best match is a coincidence of words.
const SHARE_OF_BEST = 0.4;
// What a whole name or keyword of several words adds.
const PHRASE_SCORE = 3;

/** Splits text into lower-case word stems, without the words that carry no meaning. */
function wordsOf(text: string): string[] {
  return (text.toLowerCase().match(/[a-z0-9]+/g) ?? []).filter((word) => !STOP_WORDS.has(word)).map(stem);
}

// Enough stemming to bring plural and verb forms together: "retries", "retry", "retrying", "sharded", "sharding".
function stem(word: string): string {
  if (word.length <= 3) {
    return word;
  }
  return word
    .replace(/ies$/, 'y')
    .replace(/(sses|shes|ches|xes)$/, (ending) => ending.slice(0, -2))
    .replace(/([^su])s$/, '$1')
    .replace(/(?:([a-z]{3,})ing|([a-z]{3,})ed)$/, (_, a?: string, b?: string) => a ?? b ?? '')
    .replace(/(.)\1$/, (double) => (/ll|ss/.test(double) ? double : double.slice(1)))
    .replace(/e$/, '');
}

interface IndexedEntry {
  readonly entry: Pattern | Topic;
  /** Weighted number of occurrences of each word. */
  readonly frequencies: ReadonlyMap<string, number>;
  /** The stemmed words of its title and keywords, to reward a question that holds the whole phrase. */
  readonly phrases: readonly string[];
}

/** Finds the patterns and topics that answer a question: BM25F, deterministic, offline. */
export class CatalogueSearch {
  readonly #indexed: readonly IndexedEntry[];
  readonly #documentFrequency = new Map<string, number>();

  constructor(catalogue: Catalogue) {
    const entries = [...catalogue.entries.values()].map((entry) => ({ entry, body: wordsOf(entry.body) }));
    const averageBody = entries.reduce((sum, { body }) => sum + body.length, 0) / Math.max(1, entries.length);
    this.#indexed = entries.map(({ entry, body }) => indexEntry(entry, body, averageBody));
    for (const { frequencies } of this.#indexed) {
      for (const word of frequencies.keys()) {
        this.#documentFrequency.set(word, (this.#documentFrequency.get(word) ?? 0) + 1);
      }
    }
  }

  /**
   * @param query what the user asked, in their own words.
   * @param limit the largest number of matches.
   * @returns matches, best first; empty if nothing in the catalogue answers the question.
   */
  find(query: string, limit: number): Match[] {
    const words = [...new Set(wordsOf(query))];
    const text = ` ${wordsOf(query).join(' ')} `;
    const matches = this.#indexed
      .map((indexed) => ({ entry: indexed.entry, score: this.#score(indexed, words, text) }))
      .filter(({ score }) => score >= MINIMUM_SCORE)
      .sort((a, b) => b.score - a.score || a.entry.name.localeCompare(b.entry.name));
    const enough = (matches[0]?.score ?? 0) * SHARE_OF_BEST;
    return matches.filter(({ score }) => score >= enough).slice(0, limit);
  }

  #score(indexed: IndexedEntry, words: readonly string[], text: string): number {
    let score = 0;
    for (const word of words) {
      const frequency = indexed.frequencies.get(word) ?? 0;
      if (frequency > 0) {
        const containing = this.#documentFrequency.get(word) ?? 0;
        const idf = Math.log(1 + (this.#indexed.length - containing + 0.5) / (containing + 0.5));
        score += (idf * frequency * (K1 + 1)) / (frequency + K1);
      }
    }
    return score + PHRASE_SCORE * indexed.phrases.filter((phrase) => text.includes(` ${phrase} `)).length;
  }
}

function indexEntry(entry: Pattern | Topic, body: readonly string[], averageBody: number): IndexedEntry {
  const frequencies = new Map<string, number>();
  const add = (words: readonly string[], weight: number) => {
    for (const word of words) {
      frequencies.set(word, (frequencies.get(word) ?? 0) + weight);
    }
  };
  add(wordsOf(`${entry.name} ${entry.title}`), WEIGHTS.title);
  add(entry.keywords.flatMap(wordsOf), WEIGHTS.keywords);
  add(wordsOf(entry.summary), WEIGHTS.summary);
  add(body, WEIGHTS.body / (1 - B + (B * body.length) / Math.max(1, averageBody)));
  const phrases = [entry.title, ...entry.keywords].map((text) => wordsOf(text).join(' '));
  return { entry, frequencies, phrases: [...new Set(phrases)].filter(Boolean) };
}
