import { modulePathProblem } from './modulePath.ts';

/** What a sentence asks for, as far as it says so. */
export interface ScaffoldRequest {
  readonly modulePath?: string;
}

/**
 * Reads the options from a sentence such as "an order service, module github.com/acme/orders"; the same sentence
 * always gives the same options.
 */
export function parseScaffoldRequest(sentence: string): ScaffoldRequest {
  const words = sentence.match(/[^\s"'`,;()<>]+/g) ?? [];
  const candidates = words
    .map((word) => word.replace(/[.:!?]+$/, '').replace(/^https?:\/\//, ''))
    .filter((word) => word.includes('/') && modulePathProblem(word) === undefined);
  // The word after "module" wins over any other path in the sentence.
  const named = /\bmodule(?:\s+path)?(?:\s+is|\s*[:=])?\s+["'`]?([^\s"'`,;]+)/i
    .exec(sentence)?.[1]
    ?.replace(/[.:!?]+$/, '');
  const modulePath = named !== undefined && modulePathProblem(named) === undefined ? named : candidates[0];
  return modulePath === undefined ? {} : { modulePath };
}
