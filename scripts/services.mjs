#!/usr/bin/env node
// Runs a command with PostgreSQL, Redis, NATS and Kafka of its own:
//
//   node scripts/services.mjs [postgres] [redis] [nats] [kafka] -- command args...
//
// No name means all of them. Each service listens on a free loopback port, keeps
// its data under .cache/services/ and ends with the command. The command finds
// them in DATABASE_URL, REDIS_URL, NATS_URL and KAFKA_BROKERS.

import { execFile, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  chownSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { constants as osConstants, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(project, '.cache', 'services');
const isRoot = process.getuid?.() === 0;
const readyWithinMs = 60_000;
const stopWithinMs = 15_000;
const downloadWithinMs = 180_000;

/**
 * What can be started: the first of its programs. `prepare` runs once in the
 * service's data folder and returns what `args` and `url` need; `ready` is the
 * log line that says so. Tests have a stand-in for a service that is optional.
 */
const services = {
  postgres: {
    packages: ['postgresql'],
    programs: ['postgres'],
    variable: 'DATABASE_URL',
    ready: /database system is ready to accept connections/,
    stopSignal: 'SIGINT', // fast shutdown: does not wait for clients
    user: 'postgres', // the server refuses to run as root
    prepare: preparePostgres,
    args: (port, dir) => [
      ...['-D', join(dir, 'data'), '-h', '127.0.0.1', '-p', String(port)],
      ...['-c', 'unix_socket_directories=', '-c', 'max_connections=200'],
      ...['-c', 'fsync=off', '-c', 'full_page_writes=off'], // the data is thrown away
    ],
    url: (port, password) => `postgres://postgres:${password}@127.0.0.1:${port}/postgres?sslmode=disable`,
  },
  redis: {
    packages: ['redis-server'],
    programs: ['redis-server'],
    variable: 'REDIS_URL',
    ready: /Ready to accept connections/,
    stopSignal: 'SIGTERM',
    args: (port, dir) => [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir],
      ...['--save', '', '--appendonly', 'no', '--daemonize', 'no'],
    ],
    url: (port) => `redis://127.0.0.1:${port}/0`,
  },
  nats: {
    packages: ['nats-server'],
    programs: ['nats-server'],
    variable: 'NATS_URL',
    ready: /Server is ready/,
    stopSignal: 'SIGTERM',
    args: (port, dir) => ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', dir],
    url: (port) => `nats://127.0.0.1:${port}`,
  },
  kafka: {
    packages: ['default-jre-headless', 'maven'],
    programs: ['java', 'mvn'],
    optional: true,
    variable: 'KAFKA_BROKERS',
    ready: /Kafka Server started/,
    stopSignal: 'SIGKILL', // an orderly end takes seconds, for data that is thrown away
    prepare: prepareKafka,
    args: (port, _dir, { jars, file }, controller) => [
      ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', join(jars, '*')],
      ...['kafka.Kafka', file, '--override', `controller.quorum.voters=1@127.0.0.1:${controller}`],
      ...['--override', `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`],
    ],
    url: (port) => `127.0.0.1:${port}`,
  },
};

export const serviceNames = Object.keys(services);

/**
 * Starts the named services and resolves to `{ env, stop, missing }`: the
 * variables to add to a command's environment, a function that stops what was
 * started and removes its data, and the names of those that could not be had
 * (each of which got one line through `log`).
 */
export async function startServices(names, { log = (line) => console.error(line) } = {}) {
  const unknown = names.filter((name) => !Object.hasOwn(services, name));
  if (unknown.length > 0) throw new Error(`unknown service: ${unknown.join(', ')}`);
  mkdirSync(cache, { recursive: true });
  const run = mkdtempSync(join(cache, 'run-'));
  chmodSync(run, 0o711); // the postgres user has to pass through
  const running = [];
  const env = {};
  const missing = [];

  const removeData = () => {
    for (const dir of [run, ...running.map((service) => service.dir)]) rmSync(dir, { recursive: true, force: true });
  };
  const killAtExit = () => {
    for (const service of running) service.child.kill('SIGKILL');
    removeData();
  };
  process.once('exit', killAtExit);
  let stopping;
  const stop = () => {
    stopping ??= Promise.all(running.map(stopService)).then(() => {
      process.off('exit', killAtExit);
      removeData();
    });
    return stopping;
  };

  try {
    await Promise.all(
      install(names, log).map(async ({ name, program, reason }) => {
        try {
          if (!program) throw new Error(reason);
          const service = await startService(name, program, run, (started) => running.push(started));
          env[services[name].variable] = service.url;
        } catch (error) {
          missing.push(name);
          log(`${name} is not available: ${error.message}`);
        }
      }),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { env, stop, missing };
}

/** Finds each service's program, installing what is missing where that is possible. */
function install(names, log) {
  const absent = names.filter((name) => !services[name].programs.every(findProgram));
  const packages = absent.flatMap((name) => services[name].packages);
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
    const programs = services[name].programs.map(findProgram);
    const own = services[name].packages.join(' ');
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

async function startService(name, program, run, onSpawn) {
  const service = services[name];
  const identity = isRoot && service.user ? userIds(service.user) : {};
  const dir = dataFolder(join(run, name), identity);
  const prepared = await service.prepare?.(program, dir, identity);
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const child = spawn(program, service.args(port, dir, prepared, await freePort()), {
      cwd: dir,
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: process.platform !== 'win32', // Ctrl+C in a terminal must reach the command first
      ...identity,
    });
    const exited = new Promise((resolve) => child.once('exit', resolve));
    const started = { child, exited, dir, stopSignal: service.stopSignal, url: service.url(port, prepared) };
    onSpawn(started);
    try {
      await becomesReady(child, service.ready);
      return started;
    } catch (error) {
      await stopService(started);
      // Another program may have taken the port in between.
      if (attempt === 3) throw error;
    }
  }
}

/** Resolves when the service logs that it is ready; rejects with its last line when it ends first. */
function becomesReady(child, ready) {
  return new Promise((resolve, reject) => {
    let last = 'it ended without a word';
    const timer = setTimeout(() => reject(new Error(`not ready within ${readyWithinMs / 1000} s`)), readyWithinMs);
    const settle = (act) => (value) => {
      clearTimeout(timer);
      act(value);
    };
    // Reading goes on after this, so that a full pipe never blocks the service.
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        last = line;
        if (ready.test(line)) settle(resolve)();
      });
    }
    child.once('error', settle(reject));
    child.once('close', () => settle(reject)(new Error(last)));
  });
}

async function stopService({ child, exited, stopSignal }) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(stopSignal);
  const timer = setTimeout(() => child.kill('SIGKILL'), stopWithinMs);
  await exited;
  clearTimeout(timer);
}

function preparePostgres(program, dir, identity) {
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(dir, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (identity.uid !== undefined) chownSync(passwordFile, identity.uid, identity.gid);
  try {
    execFileSync(
      join(dirname(realpathSync(program)), 'initdb'),
      [
        ...['-D', join(dir, 'data'), '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
        ...['--encoding=UTF8', '--no-locale', '--no-sync'],
      ],
      { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, LC_ALL: 'C' }, ...identity },
    );
  } catch (error) {
    throw new Error(`initdb: ${lastLine(error.stderr) || error.message}`);
  }
  rmSync(passwordFile);
  return password;
}

/** Fetches the broker's jars once and writes what it needs to start: one node that is broker and controller. */
async function prepareKafka(java, dir) {
  const pom = join(project, 'test', 'live', 'kafka', 'pom.xml');
  const jars = join(cache, `kafka-${createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12)}`);
  if (!existsSync(jars)) {
    const fetched = join(dir, 'jars');
    await execute('mvn', ['-B', '-q', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${fetched}`]);
    try {
      renameSync(fetched, jars);
    } catch (error) {
      if (!existsSync(jars)) throw error; // another run was faster
    }
  }
  const file = join(dir, 'server.properties');
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.listener.names': 'CONTROLLER',
    // The ports are given at the start.
    'controller.quorum.voters': '1@127.0.0.1:2',
    listeners: 'PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2',
    'log.dirs': join(dir, 'data'),
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
  };
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(file, lines.join(''));
  const format = ['kafka.tools.StorageTool', 'format', '-t', randomBytes(16).toString('hex').slice(0, 22), '-c', file];
  await execute(java, ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', join(jars, '*'), ...format]);
  return { jars, file };
}

/** Runs a program while other services go on starting; its last line is the error. */
async function execute(program, args) {
  try {
    await promisify(execFile)(program, args, { timeout: downloadWithinMs });
  } catch (error) {
    const said = lastLine(error.stdout) || lastLine(error.stderr) || error.message;
    throw new Error(`${program}: ${said}`, { cause: error });
  }
}

/** Creates a folder that the service's user owns and can reach. */
function dataFolder(wanted, identity) {
  mkdirSync(wanted, { mode: 0o700 });
  if (identity.uid === undefined) return wanted;
  chownSync(wanted, identity.uid, identity.gid);
  try {
    execFileSync('test', ['-w', wanted], { cwd: '/', stdio: 'ignore', ...identity });
    return wanted;
  } catch {
    // A checkout below a private home: the user cannot pass through it.
    const elsewhere = mkdtempSync(join(tmpdir(), 'services-'));
    chownSync(elsewhere, identity.uid, identity.gid);
    return elsewhere;
  }
}

function userIds(user) {
  const id = (flag) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const lastLine = (output) =>
  String(output ?? '')
    .trim()
    .split('\n')
    .at(-1);

/** Runs the command and resolves to its exit code; signals are passed on to its whole process group. */
function runCommand([program, ...args], env) {
  return new Promise((resolve) => {
    const ownGroup = process.platform !== 'win32';
    const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, ...env }, detached: ownGroup });
    const kill = (signal) => {
      try {
        process.kill(ownGroup ? -child.pid : child.pid, signal);
      } catch {
        // It has just ended.
      }
    };
    let signalled = false;
    const forward = (signal) => {
      kill(signalled ? 'SIGKILL' : signal); // a second Ctrl+C means now
      signalled = true;
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.once('error', (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(127);
    });
    child.once('exit', (code, signal) => {
      if (signalled) kill('SIGKILL'); // what the command left behind in its group
      resolve(code ?? 128 + (osConstants.signals[signal] ?? 0));
    });
  });
}

async function main(argv) {
  const separator = argv.indexOf('--');
  const names = argv.slice(0, separator);
  const command = argv.slice(separator + 1);
  if (separator < 0 || command.length === 0 || names.some((name) => !serviceNames.includes(name))) {
    console.error(`usage: services.mjs [${serviceNames.join('] [')}] -- command args...`);
    return 2;
  }
  let interrupted;
  const note = (signal) => {
    interrupted ??= signal;
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, note);

  const { env, stop, missing } = await startServices(names.length > 0 ? names : serviceNames);
  try {
    if (interrupted) return 128 + osConstants.signals[interrupted];
    if (process.env.CI === 'true' && missing.some((name) => !services[name].optional)) return 1;
    return await runCommand(command, env);
  } finally {
    await stop();
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
