// Finds programs, and installs the Debian packages that have them.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Whether packages can be installed and other users taken on. */
export const isRoot = process.getuid?.() === 0;

/**
 * Finds the first program of each server, installing what is missing where that is possible.
 * @param {Record<string, { packages: string[], programs: string[] }>} servers by name
 * @param {string[]} names of those that are wanted
 * @param {(line: string) => void} log
 * @returns {{ name: string, program?: string, reason: string }[]} without a program, the reason says what to do
 */
export function install(servers, names, log) {
  const absent = names.filter((name) => !servers[name].programs.every(findProgram));
  const packages = absent.flatMap((name) => servers[name].packages);
  let failure;
  if (packages.length > 0 && isRoot && existsSync('/etc/debian_version')) {
    log(`installing ${packages.join(', ')} with apt-get`);
    try {
      aptInstall(packages);
    } catch (error) {
      failure = `apt-get install ${packages.join(' ')} failed: ${lastLine(error.stderr) || error.message}`;
    }
  }
  return names.map((name) => {
    const programs = servers[name].programs.map(findProgram);
    const own = servers[name].packages.join(' ');
    const reason = failure ?? `${isRoot ? '' : 'as root, '}install ${own} with the system's package manager`;
    return { name, program: programs.every(Boolean) ? programs[0] : undefined, reason };
  });
}

function aptInstall(packages) {
  const apt = (...args) =>
    execFileSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Run level 1 keeps the packages from starting services of their own.
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    });
  const installPackages = () => apt('install', '-y', '--no-install-recommends', ...packages);
  try {
    installPackages();
  } catch {
    apt('update'); // the package lists may be absent or out of date
    installPackages();
  }
}

function findProgram(name) {
  const versioned = '/usr/lib/postgresql'; // Debian keeps the server's programs off PATH
  const versions = existsSync(versioned) ? readdirSync(versioned).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter).filter(Boolean),
    ...['/usr/sbin', '/usr/local/sbin'],
    ...versions.map((version) => join(versioned, version, 'bin')),
  ];
  return folders
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The last line of what a program wrote. */
export const lastLine = (output) =>
  String(output ?? '')
    .trim()
    .split('\n')
    .at(-1);
