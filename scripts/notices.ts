// The licences of the code of others that the bundles hold.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { entryPoints } from './lib/project.ts';

/**
 * The text of THIRD_PARTY_NOTICES.txt.
 * @throws Error if a package that is bundled has no licence file.
 */
export function thirdPartyNotices(): string {
  const { metafile } = buildSync({
    entryPoints: [...entryPoints],
    bundle: true,
    external: ['vscode', 'node:*'],
    metafile: true,
    outdir: 'dist',
    write: false,
  });
  const notices = packagesOf(Object.keys(metafile.inputs)).map((name) => {
    const folder = path.join('node_modules', name);
    const { version, license } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
      readonly version: string;
      readonly license: string;
    };
    const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
    if (file === undefined) {
      throw new Error(`${name} is bundled and has no licence file`);
    }
    const text = readFileSync(path.join(folder, file), 'utf8').trim();
    return `${'-'.repeat(80)}\n${name} ${version} (${license})\n${'-'.repeat(80)}\n\n${text}\n`;
  });
  return ['Go Architect holds code of others, under the licences below.\n', ...notices].join('\n');
}

/** The names of the packages that files below node_modules belong to, in order, each once. */
export function packagesOf(files: readonly string[]): string[] {
  const names = files.flatMap(
    (file) => /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(file)?.[1] ?? [],
  );
  return [...new Set(names)].sort();
}
