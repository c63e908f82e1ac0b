// Renders the service for every combination of components and each layout, and checks each as its user would:
// gofmt, vet, tests, tidy, and the linters with the service's own rules. `--quick` keeps to the corners,
// `--only=feature:` to the cases whose name begins so.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { COMPONENTS, type Component, LAYOUTS, type ScaffoldOptions } from '../src/core/scaffold/options.ts';
import { renderService } from '../src/core/scaffold/render.ts';
import { CODE_COMPONENTS } from '../src/core/scaffold/serviceModules.ts';
import { readServiceAssets } from './assets.mjs';
import { run } from './lib/process.ts';
import { cache, root } from './lib/project.ts';

const GOLANGCI_LINT = 'github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0';
const GO_ARCH_LINT = 'github.com/fe3dback/go-arch-lint@v1.14.0';

const quick = process.argv.includes('--quick');
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length);
const service = readServiceAssets(root);
// One folder for all, so that Go finds in its cache what does not differ.
const folder = path.join(cache, 'runs/matrix');
const tools = path.join(cache, 'go-tools');

/** Every set of components that gives other code, with deployment and CI where all of it is on; then the corners of each layout. */
function cases(): Omit<ScaffoldOptions, 'modulePath'>[] {
  const all = new Set<Component>(COMPONENTS);
  const corners = [all, new Set<Component>(), ...COMPONENTS.map((component) => new Set([component]))];
  const combinations = Array.from(
    { length: 1 << CODE_COMPONENTS.length },
    (_, bits) => new Set<Component>(CODE_COMPONENTS.filter((_name, bit) => (bits >> bit) & 1)),
  );
  const recommended = quick ? corners : [...combinations, all, new Set<Component>(['deploy', 'ci'])];
  return LAYOUTS.flatMap((layout) =>
    (layout === 'recommended' ? recommended : quick ? [all] : corners).map((components) => ({ components, layout })),
  );
}

const checks: (readonly [name: string, command: string, args: readonly string[]])[] = [
  ['gofmt', 'gofmt', ['-l', '.']],
  ['vet', 'go', ['vet', './...']],
  ['test', 'go', ['test', ...(quick ? [] : ['-race']), './...']],
  ['tidy', 'go', ['mod', 'tidy', '-diff']],
];
if (!quick) {
  await addLinter('golangci-lint', GOLANGCI_LINT, ['run', '--allow-parallel-runners', './...']);
  await addLinter('go-arch-lint', GO_ARCH_LINT, ['check']);
}

/** Installs a linter once; where that is not possible, its check is left out and a line says so. */
async function addLinter(name: string, source: string, args: readonly string[]): Promise<void> {
  const command = path.join(tools, name);
  if (!existsSync(command)) {
    const { code, output } = await run('go', ['install', source], { cwd: root, env: { GOBIN: tools } });
    if (code !== 0) {
      console.log(`${name} is left out, because it cannot be installed: ${output.trim().split('\n').at(-1)}`);
      return;
    }
  }
  checks.push([name, command, args]);
}

let passed = 0;
let failed = 0;
for (const options of cases()) {
  const name = `${options.layout}: ${[...options.components].join(' ') || 'HTTP only'}`;
  if (only !== undefined && !name.startsWith(only)) {
    continue;
  }
  const began = Date.now();
  rmSync(folder, { recursive: true, force: true });
  for (const file of renderService(service, { ...options, modulePath: 'example.com/acme/orders' })) {
    const target = path.join(folder, file.path);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, file.text);
  }
  const failures: string[] = [];
  for (const [check, command, args] of checks) {
    const { code, output } = await run(command, args, { cwd: folder });
    if (code !== 0 || (check === 'gofmt' && output.trim() !== '')) {
      failures.push(`${check}:\n${output}`);
    }
  }
  console.log(`${failures.length === 0 ? 'ok  ' : 'FAIL'} ${name} (${((Date.now() - began) / 1000).toFixed(0)} s)`);
  for (const failure of failures) {
    console.log(failure);
  }
  passed += checks.length - failures.length;
  failed += failures.length;
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
