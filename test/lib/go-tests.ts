/** Go's own checks of one module, with its tests counted. */
import path from 'node:path';
import { run, which } from '../../scripts/lib/process.ts';
import { type Outcome, skipped } from './steps.ts';

/** How a module is checked. */
export interface GoCheck {
  /** Flags for `go test`. */
  readonly testFlags?: readonly string[];
  /** A command that runs the tests inside something, such as with services. */
  readonly wrapper?: readonly string[];
  /** Environment variables of the tests. */
  readonly env?: Record<string, string>;
  /** Whether the module has staticcheck as a tool, and is to be held to it. */
  readonly staticcheck?: boolean;
}

interface Event {
  readonly Action: string;
  readonly Package?: string;
  readonly ImportPath?: string;
  readonly Test?: string;
  readonly Output?: string;
}

/** What a step counts where Go is not installed: skipped, except in CI, where it must be. */
export function withoutGo(): Outcome | undefined {
  if (which('go')) {
    return undefined;
  }
  const note = 'Go is not installed (https://go.dev/dl)';
  return process.env.CI === 'true' ? { passed: 0, failed: 1, skipped: 0, failures: note } : skipped(note);
}

/** gofmt, vet, staticcheck where it is a tool of the module, and the tests of the module in a folder. */
export async function checkGoModule(folder: string, options: GoCheck = {}): Promise<Outcome> {
  const missing = withoutGo();
  if (missing) {
    return missing;
  }
  const checks: [command: string, args: string[]][] = [
    ['gofmt', ['-l', '.']],
    ['go', ['vet', './...']],
    ...(options.staticcheck ? [['go', ['tool', 'staticcheck', './...']] satisfies [string, string[]]] : []),
  ];
  const failures: string[] = [];
  for (const [command, args] of checks) {
    const { code, stdout, output } = await run(command, args, { cwd: folder });
    // gofmt -l succeeds and lists what it would change.
    if (code !== 0 || (command === 'gofmt' && stdout.trim() !== '')) {
      failures.push(`${command} ${args.join(' ')}:\n${output}`);
    }
  }
  const tests = await goTests(folder, options);
  const said = [...failures, ...(tests.failures === undefined ? [] : [tests.failures])];
  return {
    passed: tests.passed + checks.length - failures.length,
    failed: tests.failed + failures.length,
    skipped: tests.skipped,
    ...(tests.note === undefined ? {} : { note: tests.note }),
    ...(said.length === 0 ? {} : { failures: `${path.basename(folder)}\n${said.join('\n')}` }),
  };
}

async function goTests(folder: string, { testFlags = [], wrapper = [], env = {} }: GoCheck): Promise<Outcome> {
  const [command = 'go', ...args] = [...wrapper, 'go', 'test', '-json', ...testFlags, './...'];
  const { code, stdout, output } = await run(command, args, { cwd: folder, env });
  const events = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Event);
  // What scripts/services.mjs could not start.
  const absent = output.split('\n').filter((line) => / is not available: /.test(line) && !line.startsWith('{'));
  const counted = { ...count(events), ...(absent.length === 0 ? {} : { note: absent.join('; ') }) };
  if (code !== 0 && counted.failed === 0) {
    const said = output.split('\n').filter((line) => !line.startsWith('{'));
    return { ...counted, failed: 1, failures: `go test ended with code ${code}\n${said.join('\n')}` };
  }
  return counted;
}

/** Counts tests without subtests and the leaves of the others, and packages that fail outside any test. */
function count(events: readonly Event[]): Outcome {
  const ended = new Map<string, Event>();
  const parents = new Set<string>();
  const texts = new Map<string, string>();
  for (const event of events) {
    const key = `${event.Package ?? event.ImportPath} ${event.Test ?? ''}`;
    if (event.Output !== undefined) {
      texts.set(key, (texts.get(key) ?? '') + event.Output);
    }
    if (['pass', 'fail', 'skip', 'build-fail'].includes(event.Action)) {
      ended.set(key, event);
    }
    for (let at = event.Test?.lastIndexOf('/') ?? -1; at > 0; at = event.Test?.lastIndexOf('/', at - 1) ?? -1) {
      parents.add(`${event.Package} ${event.Test?.slice(0, at)}`);
    }
  }
  const all = [...ended.values()];
  const leaves = [...ended]
    .filter(([key, { Test }]) => Test !== undefined && !parents.has(key))
    .map(([, event]) => event);
  const failedIn = new Set(leaves.filter(({ Action }) => Action === 'fail').map(({ Package }) => Package));
  // A package that does not build, or that ends early, fails without a failed test.
  const brokenPackages = all.filter(
    ({ Action, Package, Test }) => Action === 'fail' && Test === undefined && !failedIn.has(Package),
  );
  const withAction = (action: string) => leaves.filter(({ Action }) => Action === action).length;
  const failures = [...ended]
    .filter(([, { Action }]) => Action === 'fail' || Action === 'build-fail')
    .map(([key]) => texts.get(key) ?? key);
  return {
    passed: withAction('pass'),
    failed: withAction('fail') + brokenPackages.length,
    skipped: withAction('skip'),
    ...(failures.length === 0 ? {} : { failures: failures.join('') }),
  };
}
