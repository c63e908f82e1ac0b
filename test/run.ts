/**
 * Everything that must hold before a change is merged. `npm test` runs all steps, `npm test -- unit go` only
 * those of that name or beginning, with what they need. The last line is the sum.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { mustRun, npm, run, stopAll } from '../scripts/lib/process.ts';
import { cache, root, tool } from '../scripts/lib/project.ts';
import { install, minimum, newest } from '../scripts/lib/vscode-server.ts';
import { runE2E } from './e2e/run.ts';
import type { HostKind } from './host/bundle.ts';
import type { TestResult } from './host/registry.ts';
import { type HostRun, inserting, runInHost, severalFolders, workspaceOf } from './host/run.ts';
import { findChromium } from './lib/chromium.ts';
import { checkGoModule, withoutGo } from './lib/go-tests.ts';
import { vetInserted } from './lib/inserted.ts';
import { renderServices } from './lib/liveServices.ts';
import { findPromtool } from './lib/promtool.ts';
import { type Outcome, onePassed, runSteps, type Step, summary } from './lib/steps.ts';

/** A command that runs another with these services. */
const services = (...names: string[]) => [process.execPath, path.join(root, 'scripts/services.mjs'), ...names, '--'];

const steps: readonly Step[] = [
  {
    name: 'browser',
    title: 'Chromium',
    run: async (report) => {
      await findChromium(report);
      return { passed: 0, failed: 0, skipped: 0 };
    },
  },
  {
    name: 'go-snippets',
    title: 'Go: snippets',
    after: ['browser'], // Both install Debian packages, which only one can do at a time.
    run: () =>
      checkGoModule(path.join(root, 'snippets'), {
        testFlags: ['-race'],
        wrapper: services('postgres', 'redis', 'nats'),
        staticcheck: true,
      }),
  },
  {
    name: 'go-service',
    title: 'Go: service template',
    after: ['go-snippets'],
    run: () =>
      checkGoModule(path.join(root, 'media/service'), {
        testFlags: ['-race'],
        wrapper: services('postgres', 'redis', 'kafka'),
      }),
  },
  {
    name: 'types',
    title: 'type check',
    run: () => check(tool('tsc'), [['--noEmit'], ['--noEmit', '-p', 'src/core']]),
  },
  {
    name: 'lint',
    title: 'lint and format',
    run: () => check(tool('biome'), [['ci', '--error-on-warnings', '--colors=off']]),
  },
  {
    name: 'generated',
    title: 'generated files are current',
    run: () => check(process.execPath, [['scripts/generate.ts', '--check']]),
  },
  { name: 'unit', title: 'unit tests', run: () => vitest('test/unit') },
  { name: 'package', title: 'build and package', after: ['generated'], run: packageExtension },
  {
    name: 'vscode',
    title: 'VS Code',
    run: async (report) => {
      await install(newest, report);
      await install(minimum, report);
      return { passed: 0, failed: 0, skipped: 0 };
    },
  },
  hostStep('host-node', 'node', newest),
  hostStep('host-web', 'web', newest),
  hostStep('host-minimum', 'node', minimum),
  {
    ...hostStep('host-folders', 'node', newest, severalFolders),
    title: 'VS Code with several folders open',
  },
  {
    ...hostStep('host-insert', 'node', newest, inserting),
    title: 'VS Code, Node host: patterns into awkward files',
    run: (report) => insertAndVet({ ...inserting, kind: 'node', version: newest }, report),
  },
  {
    ...hostStep('host-insert-web', 'web', newest, inserting),
    title: 'VS Code, web worker host: patterns into awkward files',
    run: (report) => insertAndVet({ ...inserting, kind: 'web', version: newest }, report),
  },
  {
    name: 'e2e',
    title: 'end to end',
    needs: ['browser', 'package', 'vscode'],
    run: async (report) => outcomeOf(await runE2E(report)),
  },
  {
    name: 'go-scaffold',
    title: 'Go: scaffolded services, the corners of the matrix',
    after: ['go-service'],
    run: async () => withoutGo() ?? scaffoldMatrix(),
  },
  {
    name: 'go-live',
    title: 'Go: the scaffolded service, live, and its deployment files',
    after: ['go-service'],
    run: async (report) => withoutGo() ?? liveService(report),
  },
  {
    name: 'go-inserted',
    title: 'Go: inserted patterns compile',
    run: async () => withoutGo() ?? vitest('test/go'),
  },
  {
    name: 'go-rules',
    title: 'Go: the rules that our patterns and other libraries keep',
    after: ['go-scaffold'],
    run: () => checkGoModule(path.join(root, 'test/bench/go')),
  },
  { name: 'go-sample', title: 'Go: sample workspace', run: () => checkGoModule(path.join(root, 'test/e2e/workspace')) },
];

function hostStep(name: string, kind: HostKind, version: string, suite: Partial<HostRun> = {}): Step {
  const where = kind === 'node' ? 'Node' : 'web worker';
  return {
    name,
    title: `VS Code ${version.replace(/^4/, '1')}, ${where} host`,
    needs: ['browser', 'package', 'vscode'],
    run: async (report) => outcomeOf(await runInHost<TestResult>({ ...suite, kind, version }, report)),
  };
}

/** What the editor inserted is held to gofmt and go vet: what they took before they take afterwards. */
async function insertAndVet(hostRun: HostRun, report: (line: string) => void): Promise<Outcome> {
  const outcome = outcomeOf(await runInHost<TestResult>(hostRun, report));
  if (withoutGo()) {
    return outcome;
  }
  const vetted = vetInserted(path.join(workspaceOf(hostRun), 'inserted'));
  const failures = [outcome.failures, vetted.failures].filter(Boolean).join('\n');
  return { passed: outcome.passed + vetted.passed, failed: outcome.failed + vetted.failed, skipped: 0, failures };
}

/** Commands that are one check together. */
async function check(command: string, calls: readonly (readonly string[])[]): Promise<Outcome> {
  for (const args of calls) {
    await mustRun(command, args, { cwd: root });
  }
  return onePassed;
}

async function vitest(folder: string): Promise<Outcome> {
  const file = path.join(cache, 'runs', `${folder.replaceAll('/', '-')}.json`);
  mkdirSync(path.dirname(file), { recursive: true });
  rmSync(file, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const { code, output } = await run(tool('vitest'), ['run', folder, ...reporters], {
    cwd: root,
    env: { NO_COLOR: '1' },
  });
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(file, 'utf8')) as Record<
    'numPassedTests' | 'numFailedTests' | 'numPendingTests',
    number
  >;
  // A test file that cannot be loaded fails without a failed test.
  const failed = code !== 0 ? Math.max(1, numFailedTests) : numFailedTests;
  return { passed: numPassedTests, failed, skipped: numPendingTests, failures: output };
}

/** The scaffold with nothing, with everything, and with each component alone. */
async function scaffoldMatrix(): Promise<Outcome> {
  const { stdout, output } = await run(process.execPath, ['test/matrix.ts', '--quick'], { cwd: root });
  const [, passed, failed] = /^(\d+) passed, (\d+) failed$/m.exec(stdout) ?? [];
  const note = stdout.match(/^.* is left out, .*$/gm)?.join('; ');
  const counts = { passed: Number(passed ?? 0), failed: Number(failed ?? 1), skipped: 0 };
  return { ...counts, failures: output, ...(note === undefined ? {} : { note }) };
}

/** The service as a process with real stores and a real broker, and what deploys it held to the tools that read it. */
async function liveService(report: (line: string) => void): Promise<Outcome> {
  const folder = path.join(cache, 'runs/live');
  renderServices(folder);
  const promtool = await findPromtool(report);
  const outcome = await checkGoModule(path.join(root, 'test/live'), {
    // Uncached: Go does not know of the rendered files. The tests wait more than they compute.
    testFlags: ['-count=1', '-parallel=4', '-timeout=20m'], // with an empty cache, building takes minutes
    wrapper: services('postgres', 'redis', 'kafka'),
    env: { SERVICES: folder, ...(promtool.path === undefined ? {} : { PROMTOOL: promtool.path }) },
  });
  const notes = [outcome.note, promtool.note].filter((note) => note !== undefined);
  return notes.length === 0 ? outcome : { ...outcome, note: notes.join('; ') };
}

async function packageExtension(): Promise<Outcome> {
  const { output } = await npm(['run', 'package'], { cwd: root });
  if (/warning/i.test(output)) {
    throw new Error(`vsce warns:\n${output}`);
  }
  return onePassed;
}

function outcomeOf(results: readonly TestResult[]): Outcome {
  const failed = results.filter(({ status }) => status === 'failed');
  return {
    passed: results.length - failed.length,
    failed: failed.length,
    skipped: 0,
    failures: failed.map(({ name, error }) => `${name}\n${error}`).join('\n\n'),
  };
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await stopAll();
    process.exit(130);
  });
}

try {
  const began = Date.now();
  const total = await runSteps(steps, process.argv.slice(2));
  console.log(`\n${((Date.now() - began) / 1000).toFixed(0)} s`);
  console.log(summary(total));
  process.exitCode = total.failed > 0 ? 1 : 0;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
