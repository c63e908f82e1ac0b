import { PromptTooLargeError } from './prompt.ts';

/** Why a request got no answer. */
export type FailureKind =
  | 'noModel'
  | 'noPermission'
  | 'blocked'
  | 'quota'
  | 'filtered'
  | 'tooLarge'
  | 'network'
  | 'empty'
  | 'unknown';

/** What the user is told: one plain sentence and a next step. */
export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
}

const MESSAGES: Readonly<Record<FailureKind, string>> = {
  noModel:
    'The selected language model is not available. Pick another one in the model picker below the chat box, or the model "Go Architect catalogue (no AI)".',
  noPermission:
    'Go Architect is not allowed to use this language model. Allow it under "Manage Language Model Access" in the command palette, then ask again.',
  blocked: 'The language model refused the request. Wait a moment and ask again, or pick another model.',
  quota:
    'The quota of this language model is used up. Wait until it renews, pick another model, or use "Go Architect catalogue (no AI)".',
  filtered: 'The answer was withheld by the model’s content filter. Put the question another way and ask again.',
  tooLarge:
    'The question is too large for this language model. Shorten it or attach less, or pick a model with a larger context.',
  network:
    'The language model could not be reached. Check the network connection and ask again; "Go Architect catalogue (no AI)" answers offline.',
  empty: 'The language model sent an empty answer. Ask again, or pick another model.',
  unknown: 'The language model failed. Ask again, or pick another model; details are in the Go Architect output log.',
};

// Codes of vscode.LanguageModelError, then the words that providers put into messages, most specific first.
const CODES: Readonly<Record<string, FailureKind>> = {
  NotFound: 'noModel',
  NoPermissions: 'noPermission',
  Blocked: 'blocked',
};
const WORDS: readonly (readonly [RegExp, FailureKind])[] = [
  [/quota|rate.?limit|too many requests|\b429\b|billing|exceeded your/i, 'quota'],
  [/content.?filter|responsible ai|\bfiltered\b|off.?topic/i, 'filtered'],
  [/context.?length|maximum context|prompt.*too (long|large)|token limit|too many tokens|\b413\b/i, 'tooLarge'],
  [/model.?not.?(found|supported)|not accept requests|no (language )?models?|model unavailable/i, 'noModel'],
  [/enotfound|econn|etimedout|eai_again|network|fetch failed|socket|timed? ?out|offline|\b50[234]\b/i, 'network'],
];

/** The failure of a given kind. */
export function failureOf(kind: FailureKind): Failure {
  return { kind, message: MESSAGES[kind] };
}

/**
 * Turns whatever was thrown into a sentence and a next step.
 * @param error usually a vscode.LanguageModelError: `code` says the kind, `cause` and `message` what the provider said.
 */
export function classifyFailure(error: unknown): Failure {
  if (error instanceof PromptTooLargeError) {
    return failureOf('tooLarge');
  }
  const text = describe(error);
  const byWords = WORDS.find(([pattern]) => pattern.test(text))?.[1];
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const byCode = Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  // "Blocked" is what a used-up quota and a content filter come as, too: the words are then more exact.
  const kind = byCode === undefined || byCode === 'blocked' ? (byWords ?? byCode) : byCode;
  return failureOf(kind ?? 'unknown');
}

/** The message of an error with those of its causes. */
function describe(error: unknown): string {
  const parts: string[] = [];
  for (let current = error, depth = 0; current !== undefined && current !== null && depth < 5; depth++) {
    if (typeof current !== 'object') {
      parts.push(String(current));
      break;
    }
    parts.push('message' in current ? String(current.message) : '');
    current = 'cause' in current ? current.cause : undefined;
  }
  return parts.join(' ');
}
