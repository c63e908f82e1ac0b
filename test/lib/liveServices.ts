/** The scaffolded services whose running and deployment is tested. */
import path from 'node:path';
import { readServiceAssets } from '../../scripts/assets.mjs';
import { root } from '../../scripts/lib/project.ts';
import { writeFresh } from '../../scripts/lib/writeFresh.ts';
import { COMPONENTS, type Component } from '../../src/core/scaffold/options.ts';
import { renderService } from '../../src/core/scaffold/render.ts';

/** With everything, which is run; and with each component alone beside what deploys it, whose files are read. */
const services: Readonly<Record<string, readonly Component[]>> = {
  full: COMPONENTS,
  http: ['deploy', 'ci'],
  grpc: ['grpc', 'deploy', 'ci'],
  postgres: ['postgres', 'deploy', 'ci'],
  redis: ['redis', 'deploy', 'ci'],
  kafka: ['kafka', 'deploy', 'ci'],
};

/** Writes each service to a folder of its name, in the form the command gives it. */
export function renderServices(folder: string): void {
  const assets = readServiceAssets(root);
  for (const [name, components] of Object.entries(services)) {
    const options = { modulePath: 'example.com/acme/orders', components: new Set(components) };
    writeFresh(path.join(folder, name), renderService(assets, { ...options, layout: 'recommended' }));
  }
}
