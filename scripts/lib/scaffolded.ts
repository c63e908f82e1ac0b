/** The scaffolded services whose running and deployment is tested. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { COMPONENTS, type Component } from '../../src/core/scaffold/options.ts';
import { type RenderedFile, renderService } from '../../src/core/scaffold/render.ts';
import { readServiceAssets } from '../assets.mjs';
import { root } from './project.ts';

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

/** Writes rendered files to a folder, which holds nothing else afterwards. */
export function writeFresh(folder: string, files: readonly RenderedFile[]): void {
  rmSync(folder, { recursive: true, force: true });
  for (const file of files) {
    const target = path.join(folder, file.path);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, file.text);
  }
}
