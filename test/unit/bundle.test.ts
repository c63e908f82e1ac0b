import { build } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { bundles } from '../../esbuild.mjs';
import { packKnowledge } from '../../scripts/knowledge.ts';
import { unpackKnowledge } from '../../src/core/chat/knowledge.ts';
import { assets, catalogue, commands } from './support/knowledge.ts';

describe.each(bundles)('the bundle $outfile', (options) => {
  const built = build({ ...options, write: false, minify: true, metafile: true });
  const text = built.then(({ outputFiles }) => outputFiles[0]?.text ?? '');

  test('loads nothing that it does not bring along: any node_modules above the extension could run code in it', async () => {
    const loaded = [...(await text).matchAll(/\b(?:require|import)\(([^)]*)\)/g)].map(([, what]) => what);
    const node = options.platform === 'node' ? ['"node:fs/promises"'] : [];
    expect(loaded.sort()).toEqual([...node, '"vscode"'].sort());
  });

  test('holds no parser of YAML and nothing that makes code from text', async () => {
    const { inputs } = (await built).metafile;
    const packages = Object.keys(inputs).flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
    expect([...new Set(packages)]).toEqual(['p-map']);
    expect(/esprima|\beval\(|\bFunction\(/.exec(await text)?.[0]).toBeUndefined();
  });
});

test('what chat knows is the same after the build has packed it', () => {
  const known = unpackKnowledge(JSON.parse(JSON.stringify(packKnowledge(assets))));
  expect(known.catalogue).toEqual(catalogue);
  expect(known.commands).toEqual(commands);
  expect(known.instructions).toContain('Go');
});
