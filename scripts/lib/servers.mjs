// The servers that tests run with: PostgreSQL, Redis, NATS and Kafka.
import { execFile, execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lastLine } from './packages.mjs';

const project = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Where the servers keep what they need, out of the way of everything else. */
export const cache = join(project, '.cache', 'services');

const downloadWithinMs = 180_000;

/**
 * What can be started: the first of its programs. `prepare` runs once in the
 * service's data folder and returns what `args` and `url` need; `ready` is the
 * log line that says so. Tests have a stand-in for a service that is optional.
 */
export const servers = {
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
