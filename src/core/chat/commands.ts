import type { Assets } from '../assets.ts';
import { mapList, parseDocument, stringField, stringList } from '../catalogue/frontMatter.ts';

/** A next question that the user can send with one click. */
export interface FollowUp {
  readonly label: string;
  readonly command: string;
  readonly prompt: string;
}

/** A slash command: what an answer to it must contain. */
export interface Command {
  readonly name: string;
  readonly description: string;
  readonly sampleRequest: string;
  /** Names of the patterns and topics that most often answer it. */
  readonly topics: readonly string[];
  /** What an answer settles, in order. */
  readonly outline: readonly string[];
  readonly followUps: readonly FollowUp[];
  /** Instructions for the model. */
  readonly instructions: string;
}

/** The slash commands by name, in the order of their files. */
export type Commands = ReadonlyMap<string, Command>;

/**
 * Reads `media/commands/*.md`.
 * @throws FrontMatterError that names the file if one is malformed.
 */
export function readCommands(assets: Assets): Commands {
  const commands = new Map<string, Command>();
  for (const path of Object.keys(assets).sort()) {
    if (path.startsWith('media/commands/') && path.endsWith('.md')) {
      const document = parseDocument(path, assets[path] ?? '');
      commands.set(stringField(document, 'name'), {
        name: stringField(document, 'name'),
        description: stringField(document, 'description'),
        sampleRequest: stringField(document, 'sampleRequest'),
        topics: stringList(document, 'topics'),
        outline: stringList(document, 'outline'),
        followUps: mapList(document, 'followUps', (item) => ({
          label: stringField(item, 'label'),
          command: stringField(item, 'command'),
          prompt: stringField(item, 'prompt'),
        })),
        instructions: document.body,
      });
    }
  }
  return commands;
}
