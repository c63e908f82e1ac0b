import { describe, expect, test } from 'vitest';
import { findPatterns } from '../../src/core/catalogue/search.ts';
import { QUESTIONS } from './fixtures/questions.ts';
import { catalogue, search } from './support/knowledge.ts';

/** The share of the questions that have an accepted entry among the first of the answers, in per cent. */
function share(questions: typeof QUESTIONS, first: number): number {
  const hits = questions.filter(([question, ...accepted]) =>
    search.find(question, first).some(({ entry }) => accepted.includes(entry.name)),
  );
  return (100 * hits.length) / questions.length;
}

describe('questions in the words of people in trouble', () => {
  const tuned = QUESTIONS.filter((_, index) => index % 2 === 0);
  const held = QUESTIONS.filter((_, index) => index % 2 === 1);

  test('are enough, and name entries that exist', () => {
    expect(QUESTIONS.length).toBeGreaterThanOrEqual(120);
    expect(QUESTIONS.flatMap(([, ...accepted]) => accepted).filter((name) => !catalogue.entries.has(name))).toEqual([]);
    expect(new Set(QUESTIONS.map(([question]) => question)).size).toBe(QUESTIONS.length);
  });

  test.each([
    { name: 'tuned on', questions: tuned },
    { name: 'held out', questions: held },
  ])('$name: the right entry comes first in four of five, among three in 97 of 100', ({ name, questions }) => {
    const figures = [1, 2, 3].map((first) => share(questions, first));
    console.log(`${name}: ${questions.length} questions, ${figures.map((figure) => figure.toFixed(1)).join(' / ')} %`);
    expect(figures[0]).toBeGreaterThanOrEqual(80);
    expect(figures[2]).toBeGreaterThanOrEqual(97);
  });
});

describe('findPatterns', () => {
  test.each([
    ['kafka', ['eventconsumer', 'eventpublisher', 'outbox']],
    ['grpc', ['deadlinebudget', 'tracing']],
    ['pub/sub', ['eventconsumer', 'eventpublisher']],
    ['throttle', ['ratelimiter']],
    ['redis', ['cacheaside']],
    ['login', ['jwtauth']],
    ['timeout', ['deadlinebudget']],
    ['retry http', ['httpclient', 'retry']],
    ['archbr', ['circuitbreaker']],
    ['circ', ['circuitbreaker']],
  ])('%j finds %j', (typed, names) => {
    const found = findPatterns(catalogue, search, typed).map(({ name }) => name);
    expect(found.slice(0, 6)).toEqual(expect.arrayContaining(names));
  });

  test('shows everything before anything is typed, and nothing for nonsense', () => {
    expect(findPatterns(catalogue, search, ' ')).toEqual(catalogue.patterns);
    expect(findPatterns(catalogue, search, 'qqqq')).toEqual([]);
  });
});
