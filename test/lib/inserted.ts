/** Go files in which a pattern was inserted, held to Go's own tools. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Outcome } from './steps.ts';

/**
 * Compares the packages in <folder>/command and <folder>/completion with what stood in <folder>/before: what gofmt and go
 * vet had nothing against before, they have nothing against afterwards.
 */
export function vetInserted(folder: string): Outcome {
  const failures: string[] = [];
  let passed = 0;
  for (const how of ['command', 'completion']) {
    for (const name of readdirSync(path.join(folder, how))) {
      const before = path.join(folder, 'before', name);
      for (const tool of [gofmt, vet]) {
        const was = existsSync(before) ? tool(before) : '';
        const is = was === '' ? tool(path.join(folder, how, name)) : '';
        if (is === '') {
          passed++;
        } else {
          failures.push(`${how}/${name}: ${is}`);
        }
      }
    }
  }
  return { passed, failed: failures.length, skipped: 0, failures: failures.join('\n') };
}

function gofmt(folder: string): string {
  return output('gofmt', ['-l', '.'], folder);
}

function vet(folder: string): string {
  return output('go', ['vet', '.'], folder);
}

function output(command: string, args: readonly string[], cwd: string): string {
  const { stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return stdout + stderr;
}
