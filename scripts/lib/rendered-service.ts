/** Writes the scaffolded service to disk, as the extension renders it. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { defaultOptions } from '../../src/core/scaffold/options.ts';
import { renderService } from '../../src/core/scaffold/render.ts';
import { readServiceAssets } from '../assets.mjs';
import { root } from './project.ts';

/** Renders the service for a module path into an empty folder. */
export async function writeService(folder: string, modulePath: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  for (const file of renderService(readServiceAssets(root), defaultOptions(modulePath))) {
    const target = path.join(folder, file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, file.text);
  }
}
