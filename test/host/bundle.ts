/** Bundles the host tests and the scripted model; they run where there is no TypeScript and no disk of ours. */
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import matter from 'gray-matter';
import { readCatalogueAssets } from '../../scripts/assets.mjs';
import { root } from '../../scripts/lib/project.ts';

/** Which extension host the tests run in. */
export type HostKind = 'node' | 'web';

const output = path.join(root, 'out/host');

/** The folder of the bundled test extension that holds the scripted model. */
export const modelFolder = path.join(output, 'model');

/** Bundles the model and one entry of `test/`; returns the path of the bundled entry. */
export async function bundleTests(kind: HostKind, entry: string): Promise<string> {
  const outfile = path.join(output, kind, `${path.dirname(entry).replaceAll('/', '-')}.js`);
  const assets = readCatalogueAssets(root);
  const common: BuildOptions = {
    bundle: true,
    format: 'cjs',
    external: ['vscode'],
    logLevel: 'warning',
    sourcemap: 'inline',
  };
  await Promise.all([
    build({
      ...common,
      entryPoints: [path.join(root, 'test/host/fixtures/model/model.ts')],
      outfile: path.join(modelFolder, 'model.js'),
      platform: 'browser',
    }),
    build({
      ...common,
      entryPoints: [path.join(root, 'test', entry)],
      outfile,
      platform: kind === 'web' ? 'browser' : 'node',
      define: {
        COMMAND_FILES: JSON.stringify(commandFiles(assets)),
        PATTERNS: JSON.stringify(patterns(assets)),
      },
    }),
  ]);
  copyFileSync(path.join(root, 'test/host/fixtures/model/package.json'), path.join(modelFolder, 'package.json'));
  return outfile;
}

function commandFiles(assets: Record<string, string>): object[] {
  return Object.entries(assets)
    .filter(([file]) => file.startsWith('media/commands/'))
    .map(([, text]) => {
      const { data, content } = matter(text, {});
      return { ...data, instructions: content.trim() };
    });
}

function patterns(assets: Record<string, string>): object[] {
  return Object.entries(assets)
    .filter(([file]) => file.startsWith('snippets/') && file.endsWith('/pattern.md'))
    .map(([file, text]) => {
      const { title, prefix, aliases, name } = matter(text, {}).data;
      const prefixes = [prefix, ...(aliases ?? [])];
      return { title, prefixes, source: `${path.posix.dirname(file)}/${name}.go` };
    });
}
