import { describe, expect, test } from 'vitest';
import { parseDocument } from '../../src/core/catalogue/frontMatter.ts';
import { catalogueAnswer, entriesFor } from '../../src/core/chat/catalogueAnswer.ts';
import { optionsOf } from '../../src/core/chat/decisionRecord.ts';
import { parseModelRequest } from '../../src/core/chat/modelRequest.ts';
import { workspaceFacts } from '../../src/core/workspace/facts.ts';
import { catalogue, commands, search } from './support/knowledge.ts';

const facts = workspaceFacts(new Map([['go.mod', 'module example.com/shop\ngo 1.26.0\n']]), ['main.go'], false);

function ask(command: string | undefined, request: string) {
  const question = { command: commands.get(command ?? ''), request, facts, today: '2026-11-22' };
  return catalogueAnswer(question, catalogue, search);
}

describe('search', () => {
  test.each([
    ['circuit breaker', 'circuitbreaker'],
    ['our payment provider is down and every call hangs, how do we fail fast', 'circuitbreaker'],
    ['retries with exponential backoff and jitter', 'retry'],
    ['limit how many goroutines call a slow dependency at once', 'bulkhead'],
    ['an order service that survives an outage of its payment provider', 'circuitbreaker'],
    ['our payment provider is slow', 'circuitbreaker'],
    ['limit concurrent calls', 'bulkhead'],
    ['prevent double charging', 'idempotency'],
    ['cron job on only one pod', 'leaderelection'],
    ['unit of work', 'unitofwork'],
    ['two tables have to change in one transaction', 'unitofwork'],
    ['repository with optimistic locking', 'repository'],
    ['Kafka or NATS', 'brokers'],
    ['canary deployment', 'deployment-strategies'],
    ['split the monolith into microservices', 'decomposition'],
    ['leader election with raft', 'consensus'],
    ['SLO burn rate alert', 'monitoring-and-alerting'],
    ['rotate secrets with vault', 'secrets'],
  ])('%j finds %s among the first two', (request, name) => {
    expect(search.find(request, 2).map(({ entry }) => entry.name)).toContain(name);
  });

  test.each(['write me a poem about the sea', 'what is the weather in Paris', 'hello', '', '?!'])(
    '%j finds nothing',
    (request) => {
      expect(search.find(request, 5)).toEqual([]);
    },
  );

  test('is linear in what it is given: a megabyte of text is answered', () => {
    expect(search.find('circuit breaker '.repeat(65_536), 1)[0]?.entry.name).toBe('circuitbreaker');
  });
});

describe('catalogueAnswer', () => {
  test('says that no AI was used, in every kind of answer', () => {
    for (const command of [undefined, ...commands.keys()]) {
      for (const request of ['circuit breaker', 'a poem', '']) {
        expect(ask(command, request).markdown).toContain('no AI was used');
      }
    }
  });

  test('gives the same answer to the same question', () => {
    expect(ask('design', 'order service with payments')).toEqual(ask('design', 'order service with payments'));
  });

  test('/pattern shows when to use it, what it costs and the tested code', () => {
    const { markdown } = ask('pattern', 'circuit breaker');
    const breaker = catalogue.entries.get('circuitbreaker');
    expect(markdown).toContain('### Circuit breaker');
    expect(markdown).toContain('**When to use**');
    expect(markdown).toContain('**Trade-offs**');
    expect(markdown).toContain(breaker?.kind === 'pattern' ? breaker.source.trim() : 'no source');
    expect(markdown).toContain('`archbreaker`');
  });

  test('other commands give the code beside the text, not in it', () => {
    const { markdown, code } = ask('resilience', 'circuit breaker');
    expect(code.map(({ name }) => name)).toContain('circuitbreaker');
    expect(markdown).not.toContain('```go');
    expect(ask('pattern', 'circuit breaker').code.map(({ name }) => name)).not.toContain('circuitbreaker');
  });

  test('/pattern without words lists the catalogue', () => {
    const { markdown } = ask('pattern', '');
    for (const { title, prefix } of catalogue.patterns) {
      expect(markdown).toContain(`**${title}** (\`${prefix}\`)`);
    }
  });

  test('/design says what to settle, for the workspace’s module', () => {
    const { markdown } = ask('design', 'an order service that survives an outage of its payment provider');
    expect(markdown).toContain('### What to settle for `example.com/shop`');
    for (const line of commands.get('design')?.outline ?? ['missing']) {
      expect(markdown).toContain(`- ${line}`);
    }
  });

  test('a command whose words match nothing answers with its own topics', () => {
    const command = commands.get('resilience');
    const entries = entriesFor({ command, request: 'please' }, catalogue, search);
    expect(entries.length).toBeGreaterThan(0);
    expect(command?.topics).toEqual(expect.arrayContaining(entries.map(({ name }) => name)));
  });

  test('a question outside the field gets a short pointer and no code', () => {
    const { markdown } = ask(undefined, 'write me a poem about the sea');
    expect(markdown.split(/\s+/).length).toBeLessThan(180);
    expect(markdown).not.toContain('```');
  });

  test('/decide gives a decision record with the options of the question', () => {
    const { markdown } = ask('decide', 'Should we use Kafka or NATS JetStream for order events?');
    const record = /```markdown\n([\s\S]*?)\n```\n/.exec(markdown)?.[1] ?? '';
    const { data, body } = parseDocument('record', record);
    expect(data.status).toBe('proposed');
    expect(body).toMatch(/^# Should we use Kafka or NATS JetStream for order events$/m);
    for (const heading of [
      'Context and Problem Statement',
      'Decision Drivers',
      'Considered Options',
      'Decision Outcome',
      'More Information',
    ]) {
      expect(body).toContain(`\n## ${heading}\n`);
    }
    expect(body).toContain('- Kafka\n- NATS JetStream\n');
    expect(body).toContain('`example.com/shop` (Go 1.26.0)');
  });
});

test.each([
  ['Kafka or NATS for order events?', ['Kafka', 'NATS']],
  ['should we use gRPC vs. REST', ['GRPC', 'REST']],
  ['choose outbox, CDC, or dual write for publishing', ['Outbox', 'CDC', 'Dual write']],
  ['record the decision of this conversation', []],
])('the options of %j', (request, options) => {
  expect(optionsOf(request)).toEqual(options);
});

test.each([
  ['<request command="design">\nan order service\n</request>', { command: 'design', request: 'an order service' }],
  ['<context>x</context><userRequest>\n/pattern retry\n</userRequest>', { command: 'pattern', request: 'retry' }],
  ['@go-architect /scale to 10k rps', { command: 'scale', request: 'to 10k rps' }],
  ['how do I shard?', { command: undefined, request: 'how do I shard?' }],
])('the request in %j', (message, expected) => {
  expect(parseModelRequest(message)).toEqual(expected);
});
