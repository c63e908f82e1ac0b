import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseDocument } from '../../src/core/catalogue/frontMatter.ts';
import { followUpsFor } from '../../src/core/chat/followUps.ts';
import { helpText } from '../../src/core/chat/help.ts';
import { assets, catalogue, commands } from './support/knowledge.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

describe('the manifest', () => {
  test('wakes up only where there is Go, and uses no proposed API', () => {
    expect(manifest.activationEvents).toEqual([
      'workspaceContains:go.mod',
      'workspaceContains:go.work',
      'onLanguage:go',
    ]);
    expect(manifest.enabledApiProposals).toBeUndefined();
    expect(manifest.extensionDependencies).toBeUndefined();
    expect(manifest.engines.vscode).toBe(`^${manifest.devDependencies['@types/vscode']}`);
  });

  test('names only files that exist', () => {
    const { chatAgents, chatSkills, snippets } = manifest.contributes;
    for (const { path: file } of [...chatAgents, ...chatSkills, ...snippets, { path: manifest.icon }]) {
      // What the build makes is there once it has run.
      expect(existsSync(file) || file.startsWith('./dist/'), file).toBe(true);
    }
  });

  test('the participant has the commands of media/commands, in the words of their files', () => {
    const [participant] = manifest.contributes.chatParticipants;
    expect(participant.commands.map(({ name }: { name: string }) => name).sort()).toEqual([
      'api',
      'decide',
      'deploy',
      'design',
      'observability',
      'optimize',
      'pattern',
      'resilience',
      'review',
      'scaffold',
      'scale',
      'schema',
    ]);
    for (const { name, description } of participant.commands) {
      expect(commands.get(name)?.description).toBe(description);
    }
  });
});

describe('the agent', () => {
  const { data, body } = parseDocument('agent', assets['media/agent/go-architect.agent.md'] ?? '');

  test('is 600 to 1,000 words without code blocks', () => {
    const words = body.split(/\s+/).length;
    expect(words).toBeGreaterThanOrEqual(600);
    expect(words).toBeLessThanOrEqual(1000);
    expect(body).not.toContain('```');
  });

  test('has only front matter keys that VS Code knows, and can only read', () => {
    expect(Object.keys(data).sort()).toEqual(['argument-hint', 'description', 'name', 'tools']);
    expect(data.tools).not.toEqual(expect.arrayContaining(['edit', 'execute']));
  });

  test.each([
    'decomposition',
    'DDD',
    'vent-driven',
    'CQRS',
    'vent sourcing',
    'mesh',
    'gateway',
    'hexagonal',
    'clean',
    'saga',
    'eventual',
    'CAP',
    'onsensus',
    'eader election',
    'cache',
    'scaling',
    'oad balancing',
    'shard',
    'replication',
    'Kafka',
    'NATS',
    'RabbitMQ',
    'rate limit',
    'breaker',
    'retr',
    'bulkhead',
    'fallback',
    'haos',
    'isaster recovery',
    'logs',
    'traces',
    'metrics',
    'alerts',
    'onfiguration',
    'ecrets',
    'uthentication',
    'uthoris',
    'validation',
    'eployment',
    'equirements',
    'trade-offs',
    'complexity',
    'failure',
    'operations',
    'iteration',
  ])('reaches the field %s', (word) => {
    expect(body).toContain(word);
  });
});

describe('commands', () => {
  test.each([...commands.values()].map((command) => [command.name, command] as const))(
    '%s is well formed',
    (_, command) => {
      expect(command.description).toMatch(/^[A-Z][^.]*$/);
      expect(command.instructions.split(/\s+/).length).toBeLessThanOrEqual(260);
      expect(command.outline.length).toBeGreaterThan(2);
      for (const followUp of followUpsFor(command)) {
        expect([...commands.keys()]).toContain(followUp.command);
      }
    },
  );

  test('follow-ups name a command even where no command was used', () => {
    expect(followUpsFor(undefined).every(({ command }) => commands.has(command))).toBe(true);
  });

  test('at least one topic of each command exists in the catalogue', () => {
    for (const { name, topics } of commands.values()) {
      expect(
        topics.some((topic) => catalogue.entries.has(topic)),
        name,
      ).toBe(true);
    }
  });

  test('help names each command', () => {
    const text = helpText(commands, catalogue);
    for (const name of commands.keys()) {
      expect(text).toContain(`\`/${name}\``);
    }
  });
});

describe('the catalogue', () => {
  test.each(catalogue.patterns.map((pattern) => [pattern.name, pattern] as const))(
    '%s has every section',
    (name, pattern) => {
      expect(pattern.path).toBe(`snippets/${pattern.skill}/${name}/pattern.md`);
      expect([...pattern.sections.keys()]).toEqual([
        'Intent',
        'When to use',
        'When not to use',
        'Trade-offs',
        'Failure modes',
        'Observe',
        'Use a library instead',
      ]);
      expect(pattern.summary.length).toBeLessThanOrEqual(140);
      const skill = catalogue.skills.find((candidate) => candidate.name === pattern.skill);
      expect(skill?.body).toContain(`](${name}/pattern.md)`);
      expect(existsSync(pattern.sourcePath.replace(/\.go$/, '_test.go'))).toBe(true);
      for (const other of pattern.composes) {
        expect(catalogue.entries.has(other), `${name} composes ${other}`).toBe(true);
      }
    },
  );

  test.each(catalogue.topics.map((topic) => [topic.name, topic] as const))('%s decides', (_, topic) => {
    expect([...topic.sections.keys()]).toEqual(['Decide', 'Numbers', 'How it fails', 'Test that settles it']);
    expect(topic.body.split('\n').length).toBeLessThanOrEqual(125);
  });

  test.each(catalogue.skills.map((skill) => [skill.name, skill] as const))(
    'the skill %s is well formed',
    (name, skill) => {
      expect(skill.path).toBe(`snippets/${name}/SKILL.md`);
      expect(name).toMatch(/^[a-z]+(-[a-z]+)*$/);
      expect(skill.description.length).toBeLessThanOrEqual(1024);
      expect(skill.description).not.toMatch(/[<>]/);
      expect(skill.body.split('\n').length).toBeLessThan(500);
    },
  );

  test('links between its files lead somewhere', () => {
    for (const [file, text] of Object.entries(assets)) {
      for (const [, target = ''] of prose(text).matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)) {
        if (file.endsWith('.md')) {
          expect(existsSync(path.join(path.dirname(file), target)), `${file} -> ${target}`).toBe(true);
        }
      }
    }
  });

  test('has the patterns that an architect reaches for', () => {
    expect(catalogue.patterns.map(({ name }) => name).sort()).toEqual(PATTERNS.sort());
  });

  test('every skill folder has its SKILL.md', () => {
    const folders = readdirSync('snippets').filter((name) => name.startsWith('go-'));
    expect(catalogue.skills.map(({ name }) => name)).toEqual(folders.sort());
  });
});

/** Markdown without its code, which may look like links. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
}

const PATTERNS =
  `bulkhead cacheaside circuitbreaker config cqrs deadlinebudget eventconsumer eventpublisher eventsourcing fallback
  featureflags health hedge httpclient httpserver idempotency jwtauth leaderelection loadshedder logging metrics outbox
  ratelimiter repository retry saga sharding shutdown tracing unitofwork workerpool`.split(/\s+/);
