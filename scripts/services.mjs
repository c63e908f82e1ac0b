#!/usr/bin/env node
// Runs a command with PostgreSQL, Redis, NATS and Kafka of its own:
//
//   node scripts/services.mjs [postgres] [redis] [nats] [kafka] -- command args...
//
// No name means all of them. Each service listens on a free loopback port, keeps
// its data under .cache/services/ and ends with the command. The command finds
// them in DATABASE_URL, REDIS_URL, NATS_URL and KAFKA_BROKERS.

import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from './lib/freePort.mjs';
import { install, isRoot } from './lib/packages.mjs';
import { cache, servers } from './lib/servers.mjs';

const readyWithinMs = 60_000;
const stopWithinMs = 15_000;

export const serviceNames = Object.keys(servers);

/**
 * Starts the named services and resolves to `{ env, stop, missing }`: the
 * variables to add to a command's environment, a function that stops what was
 * started and removes its data, and the names of those that could not be had
 * (each of which got one line through `log`).
 */
export async function startServices(names, { log = (line) => console.error(line) } = {}) {
  const unknown = names.filter((name) => !Object.hasOwn(servers, name));
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
      install(servers, names, log).map(async ({ name, program, reason }) => {
        try {
          if (!program) throw new Error(reason);
          const service = await startService(name, program, run, (started) => running.push(started));
          env[servers[name].variable] = service.url;
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

async function startService(name, program, run, onSpawn) {
  const service = servers[name];
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
    if (process.env.CI === 'true' && missing.some((name) => !servers[name].optional)) return 1;
    return await runCommand(command, env);
  } finally {
    await stop();
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
