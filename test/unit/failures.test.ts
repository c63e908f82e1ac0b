import { expect, test } from 'vitest';
import { classifyFailure, type FailureKind, failureOf } from '../../src/core/chat/failures.ts';
import { PromptTooLargeError } from '../../src/core/chat/prompt.ts';

const coded = (code: string, message = '', cause?: unknown) => Object.assign(new Error(message, { cause }), { code });

test.each<[string, unknown, FailureKind]>([
  ['a model that is gone', coded('NotFound'), 'noModel'],
  ['no permission', coded('NoPermissions', 'user denied'), 'noPermission'],
  ['blocked', coded('Blocked', 'try later'), 'blocked'],
  [
    'a used-up quota that comes as blocked',
    coded('Blocked', 'You have exceeded your premium request allowance'),
    'quota',
  ],
  ['a quota by status', new Error('Request failed: 429'), 'quota'],
  ['a content filter', new Error('Response got filtered'), 'filtered'],
  ['a content filter in the cause', coded('', 'request failed', new Error('responsible AI service')), 'filtered'],
  ['a model that refuses participants', coded('', 'model_not_supported'), 'noModel'],
  ['a context that is too long', new Error('maximum context length is 8192 tokens'), 'tooLarge'],
  ['our own check of the budget', new PromptTooLargeError('x'), 'tooLarge'],
  ['no network', new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND') }), 'network'],
  ['a gateway', new Error('502 Bad Gateway'), 'network'],
  ['something else', new Error('boom'), 'unknown'],
  ['a string', 'quota exceeded', 'quota'],
  ['nothing', undefined, 'unknown'],
  ['a code that is a property of every object', coded('constructor'), 'unknown'],
])('%s', (_, error, kind) => {
  expect(classifyFailure(error).kind).toBe(kind);
});

test('a cause that leads in a circle ends', () => {
  const error = new Error('boom');
  error.cause = error;
  expect(classifyFailure(error).kind).toBe('unknown');
});

test('every failure is a sentence with a next step', () => {
  const kinds: FailureKind[] = [
    'noModel',
    'noPermission',
    'blocked',
    'quota',
    'filtered',
    'tooLarge',
    'network',
    'empty',
    'unknown',
  ];
  for (const kind of kinds) {
    expect(failureOf(kind).message).toMatch(/^[A-Z].*[.;].*(pick|allow|wait|ask|check|shorten|put).*\.$/i);
  }
});
