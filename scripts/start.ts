/**
 * Tries the extension: builds and packages it, and shows it in a VS Code of its own in the browser.
 * `npm start -- --code` installs it into the user's VS Code instead.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { mustRun, npm, run, stopAll, which } from './lib/process.ts';
import { cache, root, vsix } from './lib/project.ts';
import { buildTerminal, install, installExtension, newest, startServer, terminalWorks } from './lib/vscode-server.ts';

const home = path.join(cache, 'try');
const workspace = path.join(home, 'orders');
const data = path.join(home, 'data');

const settings = {
  'extensions.autoCheckUpdates': false,
  'git.openRepositoryInParentFolders': 'never',
  'telemetry.telemetryLevel': 'off',
  'workbench.startupEditor': 'none',
};

const nextStep =
  'type in chat (on the right; Ctrl+Alt+I where it is closed): @go-architect /design an order service that survives a payment outage';

async function main(): Promise<void> {
  const inOwnCode = process.argv.includes('--code');
  const code = which('code');
  if (inOwnCode && !code) {
    throw new Error(
      'The command "code" is not on PATH. In VS Code run "Shell Command: Install \'code\' command in PATH", then try again.',
    );
  }
  say('building and packaging the extension');
  await npm(['run', 'package'], { cwd: root });
  if (inOwnCode && code) {
    say('installing it into your VS Code');
    await mustRun(code, ['--install-extension', vsix, '--force']);
    say(`done: open a Go project in VS Code (reload the window if it is open already), ${nextStep}`);
    return;
  }
  await install(newest, say);
  await prepareTerminal();
  say('installing the extension');
  rmSync(data, { recursive: true, force: true });
  await installExtension(newest, data, vsix);
  if (!existsSync(workspace)) {
    cpSync(path.join(root, 'test/e2e/workspace'), workspace, { recursive: true });
  }
  say('starting VS Code on this machine alone');
  const token = randomBytes(16).toString('hex');
  const server = await startServer({ version: newest, dataDir: data, token, settings });
  const address = server.address(workspace);
  console.log(`\n  ${address}\n`);
  await openInBrowser(address);
  say(`when the page is there, ${nextStep}`);
  say('Ctrl+C stops it');
  await server.ended;
  throw new Error(`VS Code's server has ended by itself.\n${server.log()}`);
}

/** The integrated terminal is a convenience: without it everything else works. */
async function prepareTerminal(): Promise<void> {
  if (await terminalWorks(newest)) {
    return;
  }
  say('building the integrated terminal, once');
  await buildTerminal(newest).catch(() => undefined);
  if (!(await terminalWorks(newest))) {
    say(
      'the integrated terminal does not work here (building it needs make, a C++ compiler and Python); the rest does',
    );
  }
}

/** Opens the address where there is a desktop; the address is printed in any case. */
async function openInBrowser(address: string): Promise<void> {
  const desktop = process.env.DISPLAY ?? process.env.WAYLAND_DISPLAY;
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open', address]
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler', address]
        : ['xdg-open', address];
  if (command && (desktop || process.platform !== 'linux') && which(command)) {
    await run(command, args).catch(() => undefined);
  }
}

function say(line: string): void {
  console.log(`- ${line}`);
}

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, async () => {
    if (!stopping) {
      stopping = true;
      await stopAll();
      console.log('\n- stopped');
      process.exit(0);
    }
  });
}

try {
  await main();
} catch (error) {
  if (!stopping) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
