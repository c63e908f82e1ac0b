// Bundles the extension for both extension hosts and packs its texts into dist/. `--watch` rebuilds on change.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build, context } from 'esbuild';
import { readCatalogueAssets, readServiceAssets } from './scripts/assets.mjs';
import { packKnowledge } from './scripts/knowledge.ts';
import { entryPoints } from './scripts/lib/project.ts';
import { pageReadme } from './scripts/pageReadme.ts';

/**
 * Gives every file the API of VS Code itself. For `import * as vscode` esbuild copies its 400 names into a new object,
 * once for each file that imports it: half of the time that activation took.
 *
 * @type {import('esbuild').Plugin}
 */
const vscodeOnce = {
  name: 'vscode-once',
  setup({ onLoad, onResolve }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/^import \* as vscode from/m, 'import vscode from'),
      loader: 'ts',
    }));
    onResolve({ filter: /^vscode$/ }, ({ namespace }) =>
      namespace === 'vscode' ? { external: true } : { path: 'vscode', namespace: 'vscode' },
    );
    onLoad({ filter: /.*/, namespace: 'vscode' }, () => ({ contents: "export default require('vscode');" }));
  },
};

/** @type {import('esbuild').BuildOptions} */
const common = {
  bundle: true,
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  plugins: [vscodeOnce],
  target: 'es2024',
};

/**
 * The bundle of each extension host.
 *
 * @type {import('esbuild').BuildOptions[]}
 */
export const bundles = [
  { ...common, entryPoints: [entryPoints[0]], outfile: 'dist/extension.js', platform: 'node' },
  { ...common, entryPoints: [entryPoints[1]], outfile: 'dist/web/extension.js', platform: 'browser' },
];

/**
 * The snippets for "Insert Snippet" and "Fill File with Snippet". Without prefixes: the extension completes patterns itself,
 * where a declaration may stand and with their imports, and nothing is to be offered twice.
 *
 * @param {string} snippets the text of snippets/go.json
 */
export function snippetsForInsertion(snippets) {
  return JSON.stringify(JSON.parse(snippets, (key, value) => (key === 'prefix' ? undefined : value)));
}

if (import.meta.main) {
  rmSync('dist', { recursive: true, force: true });
  mkdirSync('dist', { recursive: true });
  writeFileSync('dist/catalogue.json', JSON.stringify(packKnowledge(readCatalogueAssets('.'))));
  writeFileSync('dist/service.json', JSON.stringify(readServiceAssets('.')));
  writeFileSync('dist/snippets.json', snippetsForInsertion(readFileSync('snippets/go.json', 'utf8')));
  writeFileSync('dist/README.md', pageReadme(readFileSync('README.md', 'utf8')));
  for (const bundle of bundles) {
    if (process.argv.includes('--watch')) {
      await (await context({ ...bundle, sourcemap: true, logLevel: 'info' })).watch();
    } else {
      await build({ ...bundle, minify: true });
    }
  }
}
