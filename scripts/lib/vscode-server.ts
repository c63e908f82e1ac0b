/**
 * A real VS Code from one npm package: code-server holds VS Code's own server
 * and web workbench, so no desktop and no download host is needed.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { mustRun, npm, run, start, stop } from './process.ts';
import { cache } from './project.ts';

const windows = process.platform === 'win32';

/** The code-server package of the newest VS Code that is tested. */
export const newest = '4.139.1';

/** The code-server package of the oldest VS Code that the extension supports. */
export const minimum = '4.110.0';

/** How to start a server. */
export interface ServerOptions {
  /** The code-server version. */
  readonly version: string;
  /** Holds the server's and the user's data; created when missing. */
  readonly dataDir: string;
  /** The secret in the address; without one the server answers anybody on this machine. */
  readonly token?: string;
  /** The user's settings. */
  readonly settings?: Record<string, unknown>;
  /** Opens folders in Restricted Mode until they are trusted, as VS Code does by itself. */
  readonly workspaceTrust?: boolean;
  /** Lets a page load extensions and tests from folders. */
  readonly testDriver?: boolean;
}

/** A running server. */
export interface Server {
  /** `127.0.0.1:port`. */
  readonly authority: string;
  /** The page that shows a folder. */
  address(folder: string, query?: Record<string, string>): string;
  /** Resolves when the server has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** What the server wrote so far. */
  log(): string;
  /** Stops the server and its extension hosts. */
  stop(): Promise<void>;
}

/** Installs a code-server version into the cache, once. */
export async function install(version: string, report: (line: string) => void): Promise<void> {
  const home = homeOf(version);
  if (existsSync(home)) {
    return;
  }
  report(`downloading VS Code ${version.replace(/^4/, '1')} (code-server ${version}, about 600 MB unpacked)`);
  // Renamed when complete, so that an interrupted download is never taken for a whole one.
  const partial = `${home}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const quiet = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
  await npm(['install', '--prefix', partial, '--no-save', ...quiet, `code-server@${version}`]);
  await npm(['install', '--omit=dev', ...quiet], { cwd: codeIn(partial) });
  const nodePackage = foreignNode(partial);
  if (nodePackage) {
    await npm(['install', '--prefix', partial, '--no-save', ...quiet, `code-server@${version}`, nodePackage]);
  }
  await rename(partial, home);
}

/** Whether the integrated terminal works: its native part comes built for most kinds of machines. */
export async function terminalWorks(version: string): Promise<boolean> {
  const program = "require('node-pty').spawn(process.execPath, ['-v'], {}).onExit(() => process.exit(0));";
  const { code } = await run(nodeFor(version), ['-e', program], { cwd: codeIn(homeOf(version)) });
  return code === 0;
}

/** Builds the native part of the integrated terminal; needs a C++ compiler. */
export async function buildTerminal(version: string): Promise<void> {
  await npm(['rebuild', 'node-pty'], { cwd: codeIn(homeOf(version)) });
}

/** Installs a packaged extension into a server's data folder. */
export async function installExtension(version: string, dataDir: string, vsix: string): Promise<void> {
  await mustRun(nodeFor(version), [serverMain(version), ...dataFlags(dataDir), '--install-extension', vsix, '--force']);
}

/** Starts a server on a free port of 127.0.0.1 and resolves when it listens. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const userDir = path.join(options.dataDir, 'user/User');
  await mkdir(userDir, { recursive: true });
  await writeFile(path.join(userDir, 'settings.json'), JSON.stringify(options.settings ?? {}, undefined, 2));

  const child = start(nodeFor(options.version), [
    serverMain(options.version),
    ...['--host', '127.0.0.1', '--port', '0', '--accept-server-license-terms'],
    '--disable-telemetry',
    ...(options.workspaceTrust ? [] : ['--disable-workspace-trust']),
    ...(options.token === undefined ? ['--without-connection-token'] : ['--connection-token', options.token]),
    ...(options.testDriver ? ['--enable-smoke-test-driver'] : []),
    ...dataFlags(options.dataDir),
  ]);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let log = '';
  const port = await new Promise<string>((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error(`VS Code's server did not start in 60 s\n${log}`)), 60_000);
    const read = (text: string) => {
      log += text;
      const listening = /Extension host agent listening on (\d+)/.exec(log);
      if (listening?.[1]) {
        clearTimeout(deadline);
        resolve(listening[1]);
      }
    };
    child.stdout?.setEncoding('utf8').on('data', read);
    child.stderr?.setEncoding('utf8').on('data', read);
    child.once('close', (code) => {
      clearTimeout(deadline);
      reject(new Error(`VS Code's server ended with code ${code}\n${log}`));
    });
  }).catch(async (error) => {
    await stop(child);
    throw error;
  });

  const authority = `127.0.0.1:${port}`;
  return {
    authority,
    address: (folder, query = {}) => {
      const secret: Record<string, string> = options.token === undefined ? {} : { tkn: options.token };
      return `http://${authority}/?${new URLSearchParams({ ...secret, folder, ...query })}`;
    },
    ended,
    log: () => log,
    stop: () => stop(child),
  };
}

function homeOf(version: string): string {
  return path.join(cache, `code-server-${version}`);
}

function codeIn(home: string): string {
  return path.join(home, 'node_modules/code-server/lib/vscode');
}

function serverMain(version: string): string {
  return path.join(codeIn(homeOf(version)), 'out/server-main.js');
}

/** The Node that a code-server version runs under: this one, or the one installed beside it. */
function nodeFor(version: string): string {
  const home = homeOf(version);
  const name = foreignNode(home)?.replace(/@.*/, '');
  return name ? path.join(home, 'node_modules', name, 'bin', windows ? 'node.exe' : 'node') : process.execPath;
}

/**
 * The npm package of the Node that code-server in `home` asks for, when it is older than this one.
 * VS Code 1.110 needs that: it loads extensions through a module hook in another thread,
 * and under Node 24, where `import()` resolves synchronously, both threads wait for each other.
 */
function foreignNode(home: string): string | undefined {
  const file = path.join(home, 'node_modules/code-server/package.json');
  const wanted = (JSON.parse(readFileSync(file, 'utf8')) as { engines: { node: string } }).engines.node;
  if (Number(wanted) >= Number(process.versions.node.split('.')[0])) {
    return undefined;
  }
  const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  return `${platform === 'darwin-arm64' ? 'node-bin' : 'node'}-${platform}@${wanted}`;
}

function dataFlags(dataDir: string): string[] {
  return ['--server-data-dir', path.join(dataDir, 'server'), '--user-data-dir', path.join(dataDir, 'user')];
}
