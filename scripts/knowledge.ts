// Parses what the chat knows, so that the extension carries neither a YAML parser nor the time that it takes.
import type { Assets } from '../src/core/assets.ts';
import { readCatalogue } from '../src/core/catalogue/catalogue.ts';
import { parseDocument } from '../src/core/catalogue/frontMatter.ts';
import { packCatalogue } from '../src/core/catalogue/pack.ts';
import { readCommands } from '../src/core/chat/commands.ts';
import type { PackedKnowledge } from '../src/core/chat/knowledge.ts';

const AGENT = 'media/agent/go-architect.agent.md';

/**
 * The agent, the slash commands and the catalogue as JSON.
 * @param assets the text of their files.
 * @throws FrontMatterError that names the file if one is malformed.
 */
export function packKnowledge(assets: Assets): PackedKnowledge {
  return {
    instructions: parseDocument(AGENT, assets[AGENT] ?? '').body,
    commands: [...readCommands(assets).values()],
    catalogue: packCatalogue(readCatalogue(assets)),
  };
}
