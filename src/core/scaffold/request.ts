import { publishedPathProblem } from '../go/modulePath.ts';
import { COMPONENTS, type Component, type Layout, type ScaffoldOptions } from './options.ts';

// The words by which people name a component.
const WORDS: Readonly<Record<Component, string>> = {
  grpc: 'grpc|protobufs?|protos?',
  postgres: 'postgres(?:ql)?|pgx|sql|databases?|db',
  redis: 'redis|caches?|caching',
  kafka: 'kafka|events?|messaging|messages|outbox|brokers?',
  deploy: 'deploy(?:ment|ments|ing)?|docker(?:file)?|compose|kubernetes|k8s|containers?',
  ci: 'ci|github actions?|workflows?|pipelines?',
};
// What a sentence that names these leaves out; deployment and CI stay unless they are refused.
const RUNTIME: readonly Component[] = ['grpc', 'postgres', 'redis', 'kafka'];

/** What is longer was pasted, not said. */
export const MAX_LENGTH = 4000;

/**
 * Reads the options from a sentence such as "an order service with gRPC and Kafka, module github.com/acme/orders"; the
 * same sentence always gives the same options. Components that are named are the ones that are wanted; one after
 * "without" or "no" is not; if none is named, all are on.
 */
export function parseScaffoldRequest(words: string): Partial<ScaffoldOptions> {
  const sentence = words.slice(0, MAX_LENGTH);
  const modulePath = modulePathIn(sentence);
  // A path such as github.com/acme/cache names no component.
  const text = sentence.replace(/\S*\/\S*/g, ' ').toLowerCase();
  const components = componentsIn(text);
  const layout = layoutIn(sentence.toLowerCase());
  return {
    ...(modulePath === undefined ? {} : { modulePath }),
    ...(components === undefined ? {} : { components }),
    ...(layout === undefined ? {} : { layout }),
  };
}

function modulePathIn(sentence: string): string | undefined {
  const clean = (word: string) => word.replace(/[.:!?]+$/, '').replace(/^https?:\/\//, '');
  const valid = (word: string) => word.includes('/') && publishedPathProblem(word) === undefined;
  // The word after "module" wins over any other path in the sentence.
  const named = /\bmodule(?:\s+path)?(?:\s+is|\s*[:=])?\s+["'`]?([^\s"'`,;]+)/i.exec(sentence)?.[1];
  const words = [...(named === undefined ? [] : [named]), ...(sentence.match(/[^\s"'`,;()<>]+/g) ?? [])];
  return words.map(clean).find(valid);
}

function componentsIn(text: string): ReadonlySet<Component> | undefined {
  if (/\b(minimal|only http|http only|bare)\b/.test(text)) {
    return new Set();
  }
  const wanted = new Set<Component>();
  const refused = new Set<Component>();
  // "without redis, kafka or ci": what follows the refusal is refused up to the next clause.
  const clauses = text.split(/\b(?=without\b|no\b|not\b|except\b)|(?=\b(?:with|but|using|on)\b)|[.;]/);
  for (const clause of clauses) {
    const refuses = /^(without|no|not|except)\b/.test(clause);
    for (const component of COMPONENTS) {
      if (new RegExp(`\\b(?:${WORDS[component]})\\b`).test(clause)) {
        (refuses ? refused : wanted).add(component);
      }
    }
  }
  if (wanted.size === 0 && refused.size === 0) {
    return undefined;
  }
  const narrowed = RUNTIME.some((component) => wanted.has(component));
  return new Set(
    COMPONENTS.filter(
      (component) => !refused.has(component) && (wanted.has(component) || !narrowed || !RUNTIME.includes(component)),
    ),
  );
}

function layoutIn(text: string): Layout | undefined {
  if (/\bfeature[- ]first\b|\bby feature\b|\bper feature\b/.test(text)) {
    return 'feature';
  }
  if (/\binternal\/platform\b|\bplatform layout\b|\bno pkg\b|\bwithout pkg\b/.test(text)) {
    return 'platform';
  }
  return undefined;
}
