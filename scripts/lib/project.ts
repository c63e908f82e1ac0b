/** Places and versions that the scripts share. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's top folder. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Downloads, server data and screenshots; git ignores it. */
export const cache = path.join(root, '.vscode-test');

/** The packaged extension. */
export const vsix = path.join(root, 'dist/go-architect.vsix');

/** The parts of package.json that the scripts read. */
export interface Manifest {
  readonly name: string;
  readonly publisher: string;
  readonly version: string;
  readonly engines: { readonly vscode: string };
}

/** Reads package.json. */
export function manifest(): Manifest {
  return JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest;
}

/** The extension's identifier. */
export function extensionId(): string {
  const { publisher, name } = manifest();
  return `${publisher}.${name}`;
}

/** The path of a development tool from node_modules. */
export function tool(name: string): string {
  const file = path.join(root, 'node_modules/.bin', process.platform === 'win32' ? `${name}.cmd` : name);
  if (!existsSync(file)) {
    throw new Error(`${name} is not installed; run npm ci`);
  }
  return file;
}

/** The entry of the Node extension host, and of the one in a web worker. */
export const entryPoints = ['src/node.ts', 'src/web.ts'] as const;
