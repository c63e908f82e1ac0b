// Writes media/service-modules.json: what `go mod tidy` leaves in go.mod and go.sum for each combination of components.
// Needs Go, and the network unless the modules are cached. Run it when the service's imports or versions change.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { renderService } from '../src/core/scaffold/render.ts';
import { CODE_COMPONENTS, MODULES_FILE, mergeCombinations } from '../src/core/scaffold/serviceModules.ts';
import { readServiceAssets } from './assets.mjs';
import { mustRun } from './lib/process.ts';
import { cache, root } from './lib/project.ts';
import { writeFresh } from './lib/writeFresh.ts';

const { [MODULES_FILE]: _, ...service } = readServiceAssets(root);
const folder = path.join(cache, 'runs/service-modules');
const texts: Record<'go.mod' | 'go.sum', string[]> = { 'go.mod': [], 'go.sum': [] };

for (let combination = 0; combination < 1 << CODE_COMPONENTS.length; combination++) {
  const components = new Set(CODE_COMPONENTS.filter((_name, bit) => (combination >> bit) & 1));
  console.log(`${[...components].join(' ') || 'HTTP only'} …`);
  writeFresh(
    folder,
    renderService(service, { modulePath: 'example.com/shopfront', components, layout: 'recommended' }),
  );
  await mustRun('go', ['mod', 'tidy'], { cwd: folder });
  for (const name of ['go.mod', 'go.sum'] as const) {
    texts[name].push(readFileSync(path.join(folder, name), 'utf8'));
  }
}

const lines = (name: 'go.mod' | 'go.sum') =>
  mergeCombinations(texts[name])
    .map((entry) => `    ${JSON.stringify(entry)}`)
    .join(',\n');
writeFileSync(
  path.join(root, MODULES_FILE),
  `{\n  "go.mod": [\n${lines('go.mod')}\n  ],\n  "go.sum": [\n${lines('go.sum')}\n  ]\n}\n`,
);
