// Writes what follows from the assets: snippets/go.json, and in package.json the slash commands and the skills.
// `--check` writes nothing and fails if something is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { readCatalogue } from '../src/core/catalogue/catalogue.ts';
import { patternSnippets } from '../src/core/catalogue/snippet.ts';
import { readCommands } from '../src/core/chat/commands.ts';
import { readCatalogueAssets } from './assets.mjs';

/** The files that are generated, with the text they should have. */
export function generatedFiles(): Record<string, string> {
  const assets = readCatalogueAssets('.');
  const catalogue = readCatalogue(assets);
  const snippets = Object.assign({}, ...catalogue.patterns.map(patternSnippets));
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  manifest.contributes.chatParticipants[0].commands = [...readCommands(assets).values()].map(
    ({ name, description, sampleRequest }) => ({ name, description, sampleRequest }),
  );
  manifest.contributes.chatSkills = catalogue.skills.map(({ path }) => ({ path: `./${path}` }));
  return {
    'snippets/go.json': `${JSON.stringify(snippets, null, 2)}\n`,
    'package.json': `${JSON.stringify(manifest, null, 2)}\n`,
  };
}

if (import.meta.main) {
  const check = process.argv.includes('--check');
  for (const [file, text] of Object.entries(generatedFiles())) {
    let present = '';
    try {
      present = readFileSync(file, 'utf8');
    } catch {
      // written for the first time
    }
    if (present !== text && check) {
      console.error(`${file} is stale: run "npm run generate" and commit the result.`);
      process.exitCode = 1;
    } else if (present !== text) {
      writeFileSync(file, text);
    }
  }
}
