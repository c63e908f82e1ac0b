/** What the scaffolded service costs: to get to its first answer, and under load beside a bare handler of net/http. */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { readServiceAssets } from '../../../scripts/assets.mjs';
import { freePort } from '../../../scripts/lib/freePort.mjs';
import { mustRun, start, stop } from '../../../scripts/lib/process.ts';
import { cache, root } from '../../../scripts/lib/project.ts';
import { writeFresh } from '../../../scripts/lib/writeFresh.ts';
import { defaultOptions } from '../../../src/core/scaffold/options.ts';
import { renderService } from '../../../src/core/scaffold/render.ts';

/** Answers to one user's record over HTTP, from memory. */
export interface Load {
  /** Requests per second, as many as it can. */
  readonly perSecond: number;
  /** 99th percentile of the latency in milliseconds, at a rate that both can keep up with. */
  readonly p99: number;
}

/** Figures of the service with everything in it, and of the bare handler, from the same run. */
export interface ServiceFigures {
  readonly files: number;
  readonly bytes: number;
  /** Milliseconds from `go run ./cmd/server` to the first answer, with modules at hand but nothing compiled. */
  readonly firstStart: readonly [service: number, bare: number];
  /** The same once everything is compiled. */
  readonly nextStart: readonly [service: number, bare: number];
  readonly load: readonly [service: Load, bare: Load];
}

const CONNECTIONS = '64';
const SECONDS = '10s';
/** Requests per second for the latency. */
export const RATE = 3000;
const bare = path.join(root, 'test/bench/scaffold');

/** Measures; needs Go and, the first time, the network for the modules. */
export async function measureService(report: (line: string) => void): Promise<ServiceFigures> {
  const folder = path.join(cache, 'runs/bench-service');
  rmSync(folder, { recursive: true, force: true });
  const files = renderService(readServiceAssets(root), defaultOptions('example.com/acme/orders'));
  writeFresh(path.join(folder, 'service'), files);
  const modules = [path.join(folder, 'service'), bare] as const;
  for (const module of modules) {
    await mustRun('go', ['mod', 'download'], { cwd: module });
  }
  // A build cache of its own, because the user's holds what was compiled before.
  const env = { GOCACHE: path.join(folder, 'gocache-service') };
  const bareEnv = { GOCACHE: path.join(folder, 'gocache-bare') };
  report('starting the service and the bare handler, compiled and not');
  const first = [
    await timeToAnswer(modules[0], ['./cmd/server'], env),
    await timeToAnswer(bare, ['.'], bareEnv),
  ] as const;
  const next = [
    await timeToAnswer(modules[0], ['./cmd/server'], env),
    await timeToAnswer(bare, ['.'], bareEnv),
  ] as const;
  report('load on both');
  const load = [await measureLoad(modules[0], './cmd/server'), await measureLoad(bare, '.')] as const;
  rmSync(folder, { recursive: true, force: true });
  return {
    files: files.length,
    bytes: files.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0),
    firstStart: first,
    nextStart: next,
    load,
  };
}

/** Milliseconds from `go run` to the first answer over HTTP. */
async function timeToAnswer(cwd: string, target: readonly string[], env: Record<string, string>): Promise<number> {
  const began = performance.now();
  return serving('go', ['run', ...target], { cwd, env }, async () => performance.now() - began);
}

async function measureLoad(cwd: string, target: string): Promise<Load> {
  const binary = path.join(cache, 'runs/bench-server');
  await mustRun('go', ['build', '-o', binary, target], { cwd });
  return serving(binary, [], { cwd }, async (base) => {
    const created = await fetch(`${base}/v1/users`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email: 'ada@example.com', name: 'Ada' }),
    });
    // The bare handler creates nothing: it has one user, with the number 1.
    const id = created.ok ? ((await created.json()) as { id: string }).id : '1';
    const url = `${base}/v1/users/${id}`;
    await shoot(url, '2s');
    const most = await shoot(url, SECONDS);
    const paced = await shoot(url, SECONDS, '--rate', String(RATE));
    return { perSecond: most.req2xx / most.timeTakenSeconds, p99: paced.latency.percentiles['99'] / 1000 };
  });
}

/** What bombardier measured; latencies in microseconds. */
interface Shots {
  readonly req2xx: number;
  readonly req4xx: number;
  readonly req5xx: number;
  readonly others: number;
  readonly timeTakenSeconds: number;
  readonly latency: { readonly percentiles: { readonly '99': number } };
}

/** Requests over kept connections for a while; none may fail. */
async function shoot(url: string, duration: string, ...more: string[]): Promise<Shots> {
  const options = ['--connections', CONNECTIONS, '--duration', duration, ...more];
  const output = ['--latencies', '--print', 'result', '--format', 'json'];
  const { stdout } = await mustRun('go', ['tool', 'bombardier', ...options, ...output, url], { cwd: bare });
  const { result } = JSON.parse(stdout) as { result: Shots };
  if (result.req2xx === 0 || result.req4xx + result.req5xx + result.others > 0) {
    throw new Error(`requests failed under load: ${stdout}`);
  }
  return result;
}

/** Runs a server on ports of its own until `use` has ended. */
async function serving<T>(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
  use: (base: string) => Promise<T>,
): Promise<T> {
  const [http, admin, grpc] = await Promise.all([address(), address(), address()]);
  const addresses = { HTTP_ADDR: http, ADMIN_ADDR: admin, GRPC_ADDR: grpc };
  const server = start(command, args, { ...options, env: { ...options.env, ...addresses }, stdio: 'ignore' });
  try {
    const base = `http://${http}`;
    await answers(server, `${base}/v1/users/1`);
    return await use(base);
  } finally {
    await stop(server);
  }
}

/** Resolves when the server answers anything. */
async function answers(server: ChildProcess, url: string): Promise<void> {
  for (const end = Date.now() + 300_000; Date.now() < end; ) {
    if (server.exitCode !== null) {
      throw new Error(`the server ended with code ${server.exitCode}`);
    }
    const response = await fetch(url).catch(() => undefined);
    if (response) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('the server did not answer in 5 minutes');
}

async function address(): Promise<string> {
  return `127.0.0.1:${await freePort()}`;
}
