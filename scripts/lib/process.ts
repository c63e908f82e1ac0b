/** Running other programs: with collected output, or in the background. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const windows = process.platform === 'win32';

/** What a finished program left. */
export interface Finished {
  /** The exit code; a signal counts as 1. */
  readonly code: number;
  /** Standard output alone. */
  readonly stdout: string;
  /** Standard output and standard error, in the order of arrival. */
  readonly output: string;
}

/** Where and with what environment a program runs. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** Receives the output as it arrives. */
  readonly onOutput?: (text: string) => void;
}

/** Programs that are still running, stopped when the script is interrupted. */
const running = new Set<ChildProcess>();

// Whatever ends this process, nothing that it started stays behind.
process.once('exit', () => {
  for (const child of running) {
    signal(child, 'SIGTERM');
  }
});

/** Starts a program in its own process group, with this Node first on PATH. */
export function start(command: string, args: readonly string[], options: RunOptions & SpawnOptions = {}): ChildProcess {
  const { onOutput: _, env, ...rest } = options;
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: windows && command.endsWith('.cmd'),
    ...rest,
    detached: !windows,
    env: {
      ...process.env,
      PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env.PATH ?? ''}`,
      ...env,
    },
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  child.once('error', () => running.delete(child));
  return child;
}

/** Runs a program to its end; rejects only when it cannot be started. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = start(command, args, options);
    let stdout = '';
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      output += text;
      options.onOutput?.(text);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      options.onOutput?.(text);
    });
    child.once('error', (error) => reject(new Error(`cannot start ${command}: ${error.message}`, { cause: error })));
    child.once('close', (code) => resolve({ code: code ?? 1, stdout, output }));
  });
}

/** Runs a program and throws its output when it fails. */
export async function mustRun(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const finished = await run(command, args, options);
  if (finished.code !== 0) {
    throw new Error(`${path.basename(command)} ${args.join(' ')} ended with code ${finished.code}\n${finished.output}`);
  }
  return finished;
}

/** Runs npm with this Node; throws its output when it fails. */
export function npm(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const script = process.env.npm_execpath;
  if (script?.endsWith('.js')) {
    return mustRun(process.execPath, [script, ...args], options);
  }
  return mustRun(windows ? 'npm.cmd' : 'npm', args, options);
}

/** Finds a program on PATH. */
export function which(name: string): string | undefined {
  const suffixes = windows ? ['.exe', '.cmd'] : [''];
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .flatMap((folder) => suffixes.map((suffix) => path.join(folder, name + suffix)))
    .find((file) => existsSync(file));
}

/** Ends a program and everything it started: politely first, for good after five seconds. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
    return;
  }
  const closed = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  signal(child, 'SIGTERM');
  const force = setTimeout(() => signal(child, 'SIGKILL'), 5_000);
  await closed;
  clearTimeout(force);
}

/** Ends every program that is still running. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(stop));
}

function signal(child: ChildProcess, name: NodeJS.Signals): void {
  const { pid } = child;
  if (pid === undefined) {
    return;
  }
  try {
    if (windows) {
      spawn('taskkill', ['/pid', String(pid), '/t', '/f']);
    } else {
      process.kill(-pid, name);
    }
  } catch {
    // The group is already gone.
  }
}
