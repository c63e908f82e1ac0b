/**
 * Runs bundled tests inside a real extension host: VS Code's server on this machine, its workbench in Chromium, and
 * the packaged extension loaded the way VS Code loads an extension under development.
 *
 * Alone: `node test/host/run.ts [node|web] [code-server version] [folders|insert]`
 */
import { cpSync, globSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cache, extensionId, root, vsix } from '../../scripts/lib/project.ts';
import { install, installExtension, newest, type Server, startServer } from '../../scripts/lib/vscode-server.ts';
import { findChromium, launchChromium } from '../lib/chromium.ts';
import { bundleTests, extensionFolders, type HostKind } from './bundle.ts';
import type { TestResult } from './registry.ts';
import { mark } from './wire.ts';

/** What to run, and where. */
export interface HostRun {
  readonly kind: HostKind;
  /** The code-server version. */
  readonly version: string;
  /** The module with `run()`, below `test/`. */
  readonly entry?: string;
  /** Opens an empty folder instead of the sample Go workspace. */
  readonly emptyFolder?: boolean;
  /** Opens a workspace of the sample and these further, empty folders. */
  readonly folders?: readonly string[];
  /** The user's settings, besides those that keep VS Code quiet. */
  readonly settings?: Record<string, unknown>;
}

/** The tests with several folders open. */
export const severalFolders = { entry: 'host/folders/index.ts', folders: ['billing', 'shipping'] } as const;

/** The files that once defeated the placing of code, by command and by completion. */
export const inserting = {
  entry: 'host/insert/index.ts',
  // The page saves a second after the last key otherwise, and with that words that a test takes back.
  settings: { 'files.autoSave': 'off' },
} as const;

const SUITES: Readonly<Record<string, Partial<HostRun>>> = { folders: severalFolders, insert: inserting };

/** The folder that the tests of a run open; it stays until the next run. */
export function workspaceOf({ kind, version, entry = 'host/suite/index.ts' }: HostRun): string {
  return path.join(homeOf(kind, version, entry), 'workspace');
}

function homeOf(kind: HostKind, version: string, entry: string): string {
  return path.join(cache, 'runs', `${path.dirname(entry).replaceAll('/', '-')}-${kind}-${version}`);
}

const quiet = {
  'extensions.autoCheckUpdates': false,
  'git.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
};

/** Runs the tests and returns what they sent; throws when they did not reach their end. */
export async function runInHost<Message>(run: HostRun, report: (line: string) => void): Promise<Message[]> {
  const { kind, version, entry = 'host/suite/index.ts' } = run;
  const settings = { ...quiet, ...run.settings };
  const home = homeOf(kind, version, entry);
  const workspace = workspaceOf(run);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(workspace, { recursive: true });
  if (!run.emptyFolder) {
    cpSync(path.join(root, 'test/e2e/workspace'), workspace, { recursive: true });
  }

  const [bundle, chromium] = await Promise.all([
    bundleTests(kind, entry),
    findChromium(report),
    install(version, report),
  ]);
  // The packaged extension is unpacked by VS Code itself; the tests then run on exactly what is shipped.
  const shipped = path.join(home, 'shipped');
  await installExtension(version, shipped, vsix);
  const [extension] = globSync(path.join(shipped, 'server/extensions', `${extensionId()}-*`));
  if (!extension) {
    throw new Error(`VS Code unpacked nothing from ${vsix}`);
  }
  const data = path.join(home, 'data');
  for (const folder of extensionFolders) {
    const installed = path.join(data, 'server/extensions', `go-architect-test.${path.basename(folder)}-0.0.1`);
    cpSync(folder, installed, { recursive: true });
  }

  const workspaceFile = run.folders && path.join(home, 'test.code-workspace');
  if (workspaceFile) {
    const folders = ['workspace', ...(run.folders ?? [])].map((name) => ({ path: name }));
    for (const folder of folders) {
      mkdirSync(path.join(home, folder.path), { recursive: true });
    }
    writeFileSync(workspaceFile, JSON.stringify({ folders }));
  }

  const server = await startServer({ version, dataDir: data, testDriver: true, settings });
  try {
    const query = workspaceFile ? { workspace: workspaceFile } : {};
    return await drive<Message>(server, chromium, { kind, workspace, query, extension, bundle, home });
  } finally {
    await server.stop();
  }
}

/** Opens the page that runs the tests, and collects what they send. */
async function drive<Message>(
  server: Server,
  chromium: string,
  {
    kind,
    workspace,
    query,
    extension,
    bundle,
    home,
  }: Record<'workspace' | 'extension' | 'bundle' | 'home', string> & {
    kind: HostKind;
    query: Record<string, string>;
  },
): Promise<Message[]> {
  const messages: Message[] = [];
  const log: string[] = [];
  const browser = await launchChromium(chromium);
  try {
    const page = await browser.newPage();
    let ended = false;
    const exit = new Promise<void>((resolve, reject) => {
      const late = () => reject(new Error(`the tests did not end in 10 minutes\n${log.slice(-30).join('\n')}`));
      const timer = setTimeout(late, 600_000);
      const settle = (code: number) => {
        clearTimeout(timer);
        ended ? resolve() : reject(new Error(`the extension host ended early (${code})\n${log.slice(-30).join('\n')}`));
      };
      page.exposeFunction('codeAutomationExit', settle).catch(reject);
    });
    await page.exposeFunction('codeAutomationLog', (type: string, args: unknown[]) => {
      const text = args.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' ');
      const at = text.indexOf(mark);
      if (at < 0) {
        log.push(`${type}: ${text}`);
        return;
      }
      const message = JSON.parse(text.slice(at + mark.length)) as Message | 'end';
      if (message === 'end') {
        ended = true;
      } else {
        messages.push(message);
      }
    });
    const remote = (file: string) => `vscode-remote://${server.authority}${file}`;
    const payload = [
      ['extensionDevelopmentPath', remote(extension)],
      ['extensionTestsPath', remote(bundle)],
      ['skipWelcome', 'true'],
      ...(kind === 'web' ? [['extensionDevelopmentKind', 'web']] : []),
    ];
    await page.goto(server.address(workspace, { ...query, payload: JSON.stringify(payload) }));
    await exit;
    return messages;
  } finally {
    writeFileSync(path.join(home, 'log.txt'), `${log.join('\n')}\n${server.log()}`);
    await browser.close();
  }
}

if (import.meta.main) {
  const [kind = 'node', version = newest, suite] = process.argv.slice(2);
  const run = { kind: kind as HostKind, version, ...SUITES[suite ?? ''] };
  const results = await runInHost<TestResult>(run, console.log);
  for (const { status, name, milliseconds, error = '' } of results) {
    console.log(`${status === 'passed' ? '✓' : '✗'} ${name} (${milliseconds} ms)${error && `\n${error}`}`);
  }
  process.exitCode = results.every(({ status }) => status === 'passed') ? 0 : 1;
}
