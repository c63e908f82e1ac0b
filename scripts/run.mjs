// The first step of the project's commands on a machine that has nothing but Node 20 or later:
//
//   node scripts/run.mjs script.ts arguments...
//
// installs the dependencies when they are missing or stale, and runs the script under a Node that reads TypeScript.
import { spawn, spawnSync } from 'node:child_process';
import { statSync, utimesSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const windows = process.platform === 'win32';

/**
 * Runs a script of the project to its end.
 * @param {string} script the path of a script from the project's folder
 * @param {string[]} args what it is given
 * @returns {Promise<number>} its exit code
 */
async function main(script, args) {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    console.error(`Node 20 or later is needed, and this is ${process.version}: install one from https://nodejs.org.`);
    return 1;
  }
  const installed = path.join(root, 'node_modules/.package-lock.json');
  if (modified(installed) < modified(path.join(root, 'package-lock.json'))) {
    console.log('Installing the dependencies (npm ci), which takes about a minute the first time …');
    const npm = process.env.npm_execpath;
    const install = ['ci', '--loglevel=error'];
    const code = await (npm?.endsWith('.js') ? run(process.execPath, [npm, ...install]) : run('npm', install));
    if (code !== 0) {
      console.error('npm ci failed; its output above says why.');
      return code;
    }
    utimesSync(installed, new Date(), new Date());
  }
  const node = findNode();
  if (node === undefined) {
    console.error('Node 22.18 or later is needed: npm has none for this kind of machine, so install it yourself.');
    return 1;
  }
  return run(node, [path.join(root, script), ...args]);
}

/** The pinned Node from the dependencies, or this one; both must read TypeScript (22.18 or later). */
function findNode() {
  const pinned = path.join(root, 'node_modules/.bin', windows ? 'node.cmd' : 'node');
  for (const candidate of [pinned, process.execPath]) {
    const { status, stdout } = spawnSync(candidate, ['-p', 'process.execPath + "\\n" + process.versions.node'], {
      encoding: 'utf8',
      shell: windows && candidate === pinned,
    });
    const [file = '', version = ''] = status === 0 ? stdout.trim().split('\n') : [];
    const [major = 0, minor = 0] = version.split('.').map(Number);
    if (major > 22 || (major === 22 && minor >= 18)) {
      return file.trim();
    }
  }
  return undefined;
}

/**
 * Runs a program to its end in this terminal. Ctrl+C reaches it by itself; this process waits for its exit code.
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<number>}
 */
function run(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', shell: windows && command === 'npm' });
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(`${command} cannot be started: ${error.message}`);
      resolve(1);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/** @param {string} file */
function modified(file) {
  try {
    return statSync(file).mtimeMs;
  } catch {
    return 0;
  }
}

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  console.error('usage: node scripts/run.mjs script.ts arguments...');
  process.exitCode = 2;
} else {
  process.exitCode = await main(script, args);
}
