// Bundles the extension for both extension hosts and packs its texts into dist/. `--watch` rebuilds on change.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import esbuild from 'esbuild';
import { readCatalogueAssets, readServiceAssets } from './scripts/assets.mjs';

const watch = process.argv.includes('--watch');

/** @type {import('esbuild').BuildOptions} */
const common = {
  bundle: true,
  external: ['vscode'],
  format: 'cjs',
  legalComments: 'none',
  logLevel: 'warning',
  minify: !watch,
  sourcemap: watch,
  target: 'es2024',
};

/** gray-matter loads `fs` for a function that is never called here. */
const withoutNode = {
  name: 'without-node',
  /** @param {import('esbuild').PluginBuild} build */
  setup(build) {
    build.onResolve({ filter: /^fs$/ }, () => ({ path: 'fs', namespace: 'empty' }));
    build.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** @type {import('esbuild').BuildOptions[]} */
const bundles = [
  { ...common, entryPoints: ['src/node.ts'], outfile: 'dist/extension.js', platform: 'node' },
  {
    ...common,
    entryPoints: ['src/web.ts'],
    outfile: 'dist/web/extension.js',
    platform: 'browser',
    plugins: [withoutNode],
    // gray-matter keeps a copy of its input in a Buffer, which browsers lack; nothing reads it.
    define: { 'Buffer.from': 'String' },
  },
];

rmSync('dist', { recursive: true, force: true });
mkdirSync('dist', { recursive: true });
writeFileSync('dist/catalogue.json', JSON.stringify(readCatalogueAssets('.')));
writeFileSync('dist/service.json', JSON.stringify(readServiceAssets('.')));

if (watch) {
  for (const bundle of bundles) {
    await (await esbuild.context(bundle)).watch();
  }
} else {
  await Promise.all(bundles.map((bundle) => esbuild.build(bundle)));
}
