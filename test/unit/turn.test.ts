/** What @go-architect decides about a request, before anything is streamed. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type Answer, answerTo, leftOutNote, type Turn } from '../../src/core/chat/turn.ts';
import { workspaceFacts } from '../../src/core/workspace/facts.ts';
import { catalogue, commands, search } from './support/knowledge.ts';

const library = { catalogue, commands, search };
const facts = workspaceFacts(
  new Map([
    ['a/go.mod', 'module example.com/a\n'],
    ['pay/go.mod', 'module example.com/pay\ngo 1.26.0\n'],
  ]),
  ['a/main.go', 'pay/internal/charge/charge.go'],
  false,
);
const file = { tag: 'reference' as const, name: 'pay/main.go', text: 'package main' };

function turn(command: string | undefined, request: string, over: Partial<Turn> = {}): Turn {
  return {
    command: commands.get(command ?? ''),
    request,
    attachments: [],
    history: [],
    near: [],
    isOffline: false,
    instructions: 'THE AGENT',
    facts,
    today: '2026-11-26',
    ...over,
  };
}

const answer = (command: string | undefined, request: string, over: Partial<Turn> = {}) =>
  answerTo(turn(command, request, over), library);
const offline = (command: string | undefined, request: string, over: Partial<Turn> = {}) =>
  asText(answer(command, request, { isOffline: true, ...over }));

function asText(given: Answer): Extract<Answer, { kind: 'text' }> {
  if (given.kind !== 'text') {
    throw new Error(`answered by a ${given.kind}`);
  }
  return given;
}

function asModel(given: Answer): Extract<Answer, { kind: 'model' }> {
  if (given.kind !== 'model') {
    throw new Error(`answered by a ${given.kind}`);
  }
  return given;
}

describe('without a model', () => {
  test.each(['', '  ', 'help', 'Hi there!', 'What can you do?'])('%j gets help from either model', (request) => {
    for (const isOffline of [false, true]) {
      const { markdown, outcome, references, buttons } = asText(answer(undefined, request, { isOffline }));
      expect(markdown).toContain('`/design`');
      expect([outcome, references, buttons]).toEqual(['nothing', [], []]);
    }
  });

  test('/pattern alone gets the list from either model', () => {
    for (const isOffline of [false, true]) {
      const { markdown } = asText(answer('pattern', ' ', { isOffline }));
      for (const { title } of catalogue.patterns) {
        expect(markdown).toContain(`**${title}**`);
      }
    }
  });

  test('the catalogue answers what it is asked, with code behind buttons', () => {
    const { markdown, outcome, references, buttons } = offline('resilience', 'circuit breaker for a slow provider');
    expect(markdown).toContain('no AI was used');
    expect(outcome).toBe('catalogue');
    expect(references.map(({ name }) => name)).toContain('circuitbreaker');
    expect(buttons.map(({ name }) => name)).toContain('circuitbreaker');
  });

  test('the catalogue says that it reads no attachments', () => {
    expect(offline('resilience', 'circuit breaker', { attachments: [file] }).markdown).toContain(
      'does not read what is attached',
    );
    expect(offline('resilience', 'circuit breaker').markdown).not.toContain('attached');
  });

  test('what it does not know is a pointer with no references', () => {
    expect(offline(undefined, 'write me a poem about the sea')).toMatchObject({
      outcome: 'nothing',
      references: [],
      buttons: [],
    });
  });

  test.each([
    'Unsere Kunden bekommen jede Rechnung zweimal, was tun?',
    'Nos clients reçoivent la même facture deux fois, que faire ?',
    '顧客が同じ請求書を二回受け取ります',
    'Почему клиенты получают письмо дважды?',
  ])('a question that is not English and finds nothing says so: %j', (request) => {
    const { markdown, outcome } = offline(undefined, request);
    expect(outcome).toBe('nothing');
    expect(markdown).toContain('in English');
  });

  test.each([
    ['is this good?', 'review'],
    ['where do I start?', 'design'],
    ['any feedback?', 'review'],
    ['what is the best architecture for us?', 'design'],
  ])('the vague %j begins where /%s does', (request, command) => {
    const { markdown, outcome } = offline(undefined, request);
    expect(outcome).toBe('catalogue');
    expect(markdown).toContain(`\`/${command}\``);
  });
});

describe('with a model', () => {
  test('it gets what was asked, attached and said, and the modules nearest to it first', () => {
    const history = [{ role: 'user' as const, text: 'before' }];
    const { prompt, lead } = asModel(
      answer('review', 'the payment code', { attachments: [file], history, near: ['pay/main.go'] }),
    );
    expect(lead).toBe('');
    expect(prompt).toMatchObject({ command: 'review', request: 'the payment code', history, attachments: [file] });
    expect(prompt.instructions).toMatch(/^THE AGENT\n\n## Contract of \/review\n/);
    expect(prompt.workspace.indexOf('example.com/pay')).toBeLessThan(prompt.workspace.indexOf('example.com/a ('));
  });

  test('a command alone is about the conversation', () => {
    expect(asModel(answer('review', '', { attachments: [file] })).prompt.request).toContain('the conversation so far');
  });

  test('an attachment alone is a question', () => {
    expect(answer(undefined, '', { attachments: [file] }).kind).toBe('model');
  });

  test('/pattern shows the tested code before the model says a word', () => {
    const { lead, references } = asModel(answer('pattern', 'circuit breaker'));
    expect(references[0]?.name).toBe('circuitbreaker');
    expect(lead).toContain('```go\n// Package circuitbreaker');
    expect(lead.endsWith('### In this workspace\n\n')).toBe(true);
  });

  test.each([
    ['scale', '300 requests per second today, 3,000 at the next campaign'],
    ['resilience', 'our payment provider sometimes answers in 20 seconds'],
    [undefined, 'how do I stop one slow dependency from taking the whole service down with it?'],
  ])('code is sent only where it is asked for: /%s %s', (command, request) => {
    const { prompt } = asModel(answer(command, request));
    expect(prompt.catalogue.length).toBeLessThanOrEqual(3);
    expect(prompt.catalogue.map(({ text }) => text).join()).not.toContain('\npackage ');
    expect(prompt.catalogue.map(({ text }) => text).join().length).toBeLessThan(30_000);
  });

  test('below a score nothing of the catalogue is sent, and nothing is claimed', () => {
    const { prompt, references } = asModel(answer(undefined, 'write me a poem about the sea'));
    expect([prompt.catalogue, references]).toEqual([[], []]);
  });

  test('what is sent is what is named as used', () => {
    const { prompt, references } = asModel(answer('resilience', 'retry with backoff'));
    expect(prompt.catalogue.map(({ name }) => name)).toEqual(references.map(({ title }) => title));
  });
});

describe('the samples of the manifest', () => {
  const [participant] = JSON.parse(readFileSync('package.json', 'utf8')).contributes.chatParticipants;
  const names = (given: Answer) => given.references.map(({ name }) => name);

  // What a senior engineer would open first.
  const first: Readonly<Record<string, readonly string[]>> = {
    api: ['api-contracts'],
    decide: ['brokers'],
    deploy: ['deployment-strategies'],
    design: ['circuitbreaker', 'decomposition'],
    observability: ['monitoring-and-alerting', 'metrics'],
    optimize: ['scaling', 'hedge'],
    pattern: ['circuitbreaker'],
    resilience: ['deadlinebudget'],
    review: ['layers'],
    scale: ['scaling'],
    schema: ['schema-design'],
  };

  const samples: Record<'name' | 'sampleRequest', string>[] = participant.commands;

  test.each(samples.filter(({ name }) => name !== 'scaffold'))(
    '/$name $sampleRequest is answered, from the entry that one would open first',
    ({ name: command, sampleRequest: request }) => {
      const { outcome, references } = offline(command, request);
      expect(outcome).toBe('catalogue');
      expect(first[command]).toContain(references[0]?.name);
      expect(first[command]).toContain(names(answer(command, request))[0]);
    },
  );

  test.each(participant.disambiguation[0].examples as string[])('%j is answered', (request) => {
    expect(offline(undefined, request).outcome).toBe('catalogue');
  });

  test('twenty seconds without an answer: a deadline, a breaker, a bulkhead', () => {
    const sample = samples.find(({ name }) => name === 'resilience');
    expect(names(answer('resilience', sample?.sampleRequest ?? '')).toSorted()).toEqual([
      'bulkhead',
      'circuitbreaker',
      'deadlinebudget',
    ]);
  });

  test.each([
    ['is my payment client missing a timeout?', 'httpclient'],
    ['customers get the same email twice', 'idempotency'],
  ])('%j leads to %s first', (request, name) => {
    expect(names(answer(undefined, request))[0]).toBe(name);
    expect(names(offline(undefined, request))[0]).toBe(name);
  });
});

describe('leftOutNote', () => {
  test('says nothing where all was seen', () => {
    expect(leftOutNote([], [])).toBe('');
  });

  test('names of others never become Markdown', () => {
    const note = leftOutNote(['a`[x](command:evil)`.go after line 3'], ['b\n# Heading (not a text file)']);
    expect(note).toContain('`` a`[x](command:evil)`.go after line 3 ``');
    expect(note).toContain('`b # Heading (not a text file)`');
  });
});
