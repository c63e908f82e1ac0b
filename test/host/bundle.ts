/** Bundles the host tests and the scripted model; they run where there is no TypeScript and no disk of ours. */
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import matter from 'gray-matter';
import { readCatalogueAssets } from '../../scripts/assets.mjs';
import { root } from '../../scripts/lib/project.ts';
import { insertCases } from '../unit/support/cursor.ts';

/** Which extension host the tests run in. */
export type HostKind = 'node' | 'web';

const output = path.join(root, 'out/host');

/** The test extensions: the scripted model, and one that does nothing, to measure ours against. */
const extensions = ['model', 'empty'] as const;

/** The folders of the bundled test extensions. */
export const extensionFolders = extensions.map((name) => path.join(output, name));

/** Bundles the test extensions and one entry of `test/`; returns the path of the bundled entry. */
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
    ...extensions.map((name) =>
      build({
        ...common,
        entryPoints: [path.join(root, `test/host/fixtures/${name}/${name}.ts`)],
        outfile: path.join(output, name, `${name}.js`),
        platform: 'browser',
      }),
    ),
    build({
      ...common,
      entryPoints: [path.join(root, 'test', entry)],
      outfile,
      platform: kind === 'web' ? 'browser' : 'node',
      define: {
        COMMAND_FILES: JSON.stringify(commandFiles(assets)),
        PATTERNS: JSON.stringify(patterns(assets)),
        INSERT_CASES: JSON.stringify(insertCases),
      },
    }),
  ]);
  for (const name of extensions) {
    copyFileSync(path.join(root, `test/host/fixtures/${name}/package.json`), path.join(output, name, 'package.json'));
  }
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
