// Renders the service for every combination of components and each layout, and checks each as its user would:
// gofmt, vet, tests, tidy, and the linters with the service's own rules. `--quick` keeps to the corners,
// `--only=feature:` to the cases whose name begins so.
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { readServiceAssets } from '../scripts/assets.mjs';
import { run } from '../scripts/lib/process.ts';
import { cache, root } from '../scripts/lib/project.ts';
import { writeFresh } from '../scripts/lib/writeFresh.ts';
import { COMPONENTS, type Component, LAYOUTS } from '../src/core/scaffold/options.ts';
import { type RenderedFile, renderService } from '../src/core/scaffold/render.ts';

const GOLANGCI_LINT = 'github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0';

const quick = process.argv.includes('--quick');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length);
const service = readServiceAssets(root);
// One folder for all, so that Go finds in its cache what does not differ.
const folder = path.join(cache, 'runs/matrix');
const tools = path.join(cache, 'go-tools');

/** What neither Go nor its linters read. */
const NO_CODE = /^(deploy\/|docs\/|\.github\/|\.dockerignore$|Dockerfile$|compose\.yaml$|README\.md$|Makefile$)/;

interface Case {
  readonly name: string;
  readonly files: readonly RenderedFile[];
}

/** Every set of components in each layout, or the corners; of those that have the same code, the first. */
function cases(): Case[] {
  const subsets = Array.from(
    { length: 1 << COMPONENTS.length },
    (_, bits) => new Set<Component>(COMPONENTS.filter((_name, bit) => (bits >> bit) & 1)),
  );
  const distinct = new Map<string, Case>();
  for (const layout of LAYOUTS) {
    const corners = layout === 'recommended' ? [0, 1, COMPONENTS.length] : [COMPONENTS.length];
    for (const components of subsets.filter(({ size }) => !quick || corners.includes(size))) {
      const files = renderService(service, { components, layout, modulePath: 'example.com/acme/orders' });
      const code = JSON.stringify(files.filter((file) => !NO_CODE.test(file.path)));
      if (!distinct.has(code)) {
        distinct.set(code, { name: `${layout}: ${[...components].join(' ') || 'HTTP only'}`, files });
      }
    }
  }
  return [...distinct.values()];
}

const checks: (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['gofmt', 'gofmt', ['-l', '.']],
  ['vet', 'go', ['vet', './...']],
  ['test', 'go', ['test', '-race', './...']],
  ['tidy', 'go', ['mod', 'tidy', '-diff']],
];
await addLinter('golangci-lint', ['install', GOLANGCI_LINT], root, ['run', '--allow-parallel-runners', './...']);
// By a go.mod of its own: `go install` asks for the list of its versions, which not every module proxy gives.
await addLinter(
  'go-arch-lint',
  ['build', '-o', tools, 'github.com/fe3dback/go-arch-lint'],
  path.join(root, 'scripts/go-arch-lint'),
  ['check'],
);

/** Builds a linter once; where that is not possible, its check is left out and a line says so. */
async function addLinter(name: string, build: readonly string[], cwd: string, args: readonly string[]): Promise<void> {
  const command = path.join(tools, name);
  if (!existsSync(command)) {
    mkdirSync(tools, { recursive: true });
    const { code, output } = await run('go', build, { cwd, env: { GOBIN: tools } });
    if (code !== 0) {
      console.log(`${name} is left out, because it cannot be built: ${output.trim().split('\n').at(-1)}`);
      return;
    }
  }
  checks.push([name, command, args]);
}

let passed = 0;
let failed = 0;
const began = Date.now();
for (const { name, files } of cases()) {
  if (only !== undefined && !name.startsWith(only)) {
    continue;
  }
  const start = Date.now();
  writeFresh(folder, files);
  const failures: string[] = [];
  for (const [check, command, args] of checks) {
    const { code, output } = await run(command, args, { cwd: folder });
    if (code !== 0 || (check === 'gofmt' && output.trim() !== '')) {
      failures.push(`${check}:\n${output}`);
    }
  }
  console.log(`${failures.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - start) / 1000).toFixed(0)} s)`);
  for (const failure of failures) {
    console.log(failure);
  }
  passed += checks.length - failures.length;
  failed += failures.length;
}
console.log(`\n${((Date.now() - began) / 1000).toFixed(0)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
