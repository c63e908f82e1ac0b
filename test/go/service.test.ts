/** A service builds under names that mean something else to YAML, to Go or to the template itself. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { defaultOptions } from '../../src/core/scaffold/options.ts';
import { renderService } from '../../src/core/scaffold/render.ts';
import { serviceAssets } from '../unit/support/knowledge.ts';

const WORK = path.resolve('.vscode-test/runs/named-services');

// A path without a dot is what `go mod init` gives for a folder's name.
test.each(['myapp', 'acme/orders', 'true', 'example.com/null', 'example.com/on', 'example.com/1st', 'a+b/shopfront'])(
  'module %s',
  { timeout: 600_000 },
  (modulePath) => {
    rmSync(WORK, { recursive: true, force: true });
    for (const { path: file, text } of renderService(serviceAssets, defaultOptions(modulePath))) {
      const target = path.join(WORK, file);
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    const run = (command: string, ...args: string[]) => {
      const env = { ...process.env, GOWORK: 'off', GOFLAGS: '-mod=readonly' };
      const { stdout, stderr, status } = spawnSync(command, args, { cwd: WORK, encoding: 'utf8', env });
      return { status, output: `${stdout}${stderr.replace(/^go: downloading .*\n/gm, '')}` };
    };
    expect(run('gofmt', '-l', '.')).toEqual({ status: 0, output: '' });
    expect(run('go', 'vet', './...')).toEqual({ status: 0, output: '' });
  },
);
